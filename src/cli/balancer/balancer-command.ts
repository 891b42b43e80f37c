import { loadOptions } from '../../config/load-file.js'
import { parseSettings } from '../../config/parse-settings.js'
import { ConfigError } from '../../errors.js'
import { painter, type Terminal } from '../terminal.js'
import { UsageError } from '../usage-error.js'
import { albConfiguration } from './alb.js'
import { apacheConfiguration } from './apache.js'
import {
  type BalancerArguments,
  type BalancerSettings,
  balancerPlan,
  parseBalancerArguments,
} from './balancer-options.js'
import { type BalancerPlan, hasOwnHealthPort } from './balancer-plan.js'
import { envoyConfiguration } from './envoy.js'
import { gatewayApiConfiguration } from './gateway-api.js'
import { haproxyConfiguration } from './haproxy.js'
import { nginxConfiguration } from './nginx.js'
import { traefikConfiguration } from './traefik.js'

export const balancerHelp = `Usage: holdfast balancer <kind> [options] <server>...

Prints a configuration that keeps a visitor at the server that the session id names, and sends others there only while
that server is down.

  <kind>                 nginx, haproxy or apache: the tests of Holdfast run what is printed;
                         traefik, envoy, gateway-api or alb: recipes, whose form alone is tested
  <server>               <route>=<host>:<port>, such as app1=10.0.0.1:3000: the server's option "route", and its address;
                         <route>=<host>:<port>,<port>: the second port answers /readyz

  --config <file>        takes the cookie's name, the mode, the time-outs and the administration's port from there
  --name <cookie>        the session cookie's name (default sid)
  --mode <mode>          sticky (default), or non-sticky: the servers take turns
  --health <where>       what tells whether a server is ready: a port (9400), a path of the application (/readyz), both
                         (9400/readyz), or none; default: the port of admin.listen in the configuration, else none
  --listen <address>     a port, or an address and a port (default 80, with a certificate 443)
  --certificate <file>   PEM file of a certificate; for HAProxy with the key in it
  --key <file>           PEM file of its key (default: in the same file)
  --help                 this text

docs/balancers.md explains what is printed.`

const HINT = 'holdfast balancer --help'

interface Kind {
  print: (plan: BalancerPlan) => string
  /** Whether it finds a server by the route in the session id. */
  readsRoutes: boolean
  /** What it can't do of a plan; `undefined`: it can do all. */
  refuses?: (plan: BalancerPlan) => string | undefined
}

const kinds: Readonly<Record<string, Kind>> = {
  nginx: { print: nginxConfiguration, readsRoutes: true },
  haproxy: { print: haproxyConfiguration, readsRoutes: true },
  apache: { print: apacheConfiguration, readsRoutes: true },
  traefik: { print: traefikConfiguration, readsRoutes: false, refuses: severalHealthPorts },
  envoy: { print: envoyConfiguration, readsRoutes: true },
  'gateway-api': { print: gatewayApiConfiguration, readsRoutes: false, refuses: noServices },
  alb: { print: albConfiguration, readsRoutes: false, refuses: severalHealthPorts },
}

/** `holdfast balancer`: gives the exit code. */
export async function balancer(args: readonly string[], io: Terminal): Promise<number> {
  const given = parseBalancerArguments(args)
  if (given.help) {
    io.stdout.write(`${balancerHelp}\n`)
    return 0
  }
  const kind = readKind(given.kind)
  try {
    const settings = readSettings(given)
    const plan = balancerPlan(given, settings, kind.readsRoutes)
    const refusal = kind.refuses?.(plan)
    if (refusal !== undefined) throw new UsageError(`${given.kind}: ${refusal}`, HINT)
    io.stdout.write(kind.print(plan))
    return 0
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    io.stderr.write(`${painter(io.stderr).red(error.message)}\n`)
    return 1
  }
}

function readKind(text: string | undefined): Kind {
  const kind = text !== undefined && Object.hasOwn(kinds, text) ? kinds[text] : undefined
  if (kind !== undefined) return kind
  const asked = text === undefined ? 'which balancer?' : `there is no configuration for ${JSON.stringify(text)};`
  throw new UsageError(`${asked} expected ${Object.keys(kinds).join(', ')}`, HINT)
}

function severalHealthPorts({ servers, healthPath }: BalancerPlan): string | undefined {
  const ports = new Set(servers.map((server) => (hasOwnHealthPort(server) ? server.healthPort : 'its own')))
  if (healthPath === undefined || ports.size === 1) return undefined
  return `it asks all servers for ${healthPath} on one port: expected the same one for each, got ${[...ports].join(', ')}`
}

function noServices({ servers }: BalancerPlan): string | undefined {
  const wrong = servers.find(({ host }) => !/^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(host))
  if (wrong === undefined) return undefined
  return `expected names of Services and their ports, such as web:80, got ${wrong.host}:${wrong.port}`
}

function readSettings({ config }: BalancerArguments): BalancerSettings | undefined {
  if (config === undefined) return undefined
  const { options, source } = loadOptions(config)
  return parseSettings(options, source)
}
