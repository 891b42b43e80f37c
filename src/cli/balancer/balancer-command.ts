import { loadOptions } from '../../config/load-file.js'
import { parseSettings } from '../../config/parse-settings.js'
import { ConfigError } from '../../errors.js'
import { painter, type Terminal } from '../terminal.js'
import { UsageError } from '../usage-error.js'
import { apacheConfiguration } from './apache.js'
import {
  type BalancerArguments,
  type BalancerSettings,
  balancerPlan,
  parseBalancerArguments,
} from './balancer-options.js'
import type { BalancerPlan } from './balancer-plan.js'
import { haproxyConfiguration } from './haproxy.js'
import { nginxConfiguration } from './nginx.js'

export const balancerHelp = `Usage: holdfast balancer <kind> [options] <server>...

Prints a configuration that keeps a visitor at the server that the session id names, and sends others there only while
that server is down.

  <kind>                 nginx, haproxy or apache: the tests of Holdfast run them
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

interface Kind {
  print: (plan: BalancerPlan) => string
  /** Whether it finds a server by the route in the session id. */
  readsRoutes: boolean
}

const kinds: Readonly<Record<string, Kind>> = {
  nginx: { print: nginxConfiguration, readsRoutes: true },
  haproxy: { print: haproxyConfiguration, readsRoutes: true },
  apache: { print: apacheConfiguration, readsRoutes: true },
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
    io.stdout.write(kind.print(balancerPlan(given, settings, kind.readsRoutes)))
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
  throw new UsageError(`${asked} expected ${Object.keys(kinds).join(', ')}`, 'holdfast balancer --help')
}

function readSettings({ config }: BalancerArguments): BalancerSettings | undefined {
  if (config === undefined) return undefined
  const { options, source } = loadOptions(config)
  return parseSettings(options, source)
}
