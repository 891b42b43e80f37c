import { parseArgs } from 'node:util'
import { isLoopback } from '../../admin/admin-settings.js'
import type { Mode, Settings } from '../../config/settings.js'
import { UsageError } from '../usage-error.js'
import { type BalancedServer, type BalancerPlan, hasOwnHealthPort } from './balancer-plan.js'

const HINT = 'holdfast balancer --help'

/** What the command line asks for, as it was written. */
export interface BalancerArguments {
  help: boolean
  kind: string | undefined
  servers: readonly string[]
  config: string | undefined
  name: string | undefined
  mode: string | undefined
  health: string | undefined
  listen: string | undefined
  certificate: string | undefined
  key: string | undefined
}

/** What a configuration file says of interest to a balancer. */
export type BalancerSettings = Pick<Settings, 'name' | 'mode' | 'idleTimeout' | 'cookie' | 'admin'>

const host = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])$/
const route = /^[A-Za-z0-9_-]{1,64}$/
/* What the languages of all these configurations take as it stands. */
const plainName = /^[A-Za-z0-9_.-]{1,128}$/
const plainPath = /^\/[A-Za-z0-9_.~/-]{0,200}$/
const fileName = /^[A-Za-z0-9_./@+-]{1,1000}$/
const maxServers = 1000

/** @throws UsageError for options that there are not. */
export function parseBalancerArguments(args: readonly string[]): BalancerArguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        config: { type: 'string' },
        name: { type: 'string' },
        mode: { type: 'string' },
        health: { type: 'string' },
        listen: { type: 'string' },
        certificate: { type: 'string' },
        key: { type: 'string' },
      },
    })
    const [kind, ...servers] = positionals
    const { config, name, mode, health, listen, certificate, key } = values
    return { help: values.help, kind, servers, config, name, mode, health, listen, certificate, key }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), HINT)
  }
}

/**
 * The plan for a balancer. What the command line says comes before what the configuration file says.
 * @param needsRoutes whether this balancer finds a server by the route in the session id
 * @throws UsageError that names the argument and what was expected
 */
export function balancerPlan(
  given: BalancerArguments,
  settings: BalancerSettings | undefined,
  needsRoutes: boolean,
): BalancerPlan {
  const sticky = readMode(given.mode ?? settings?.mode) === 'sticky'
  const health = readHealth(given.health, settings)
  const tls = readTls(given)
  const maxAge = settings?.cookie.maxAge
  const servers = readServers(given.servers, health.port, sticky && needsRoutes)
  /* A port of its own for the check can only be the administration's. */
  const asksAnyway = given.health === undefined && servers.some(hasOwnHealthPort)
  return {
    cookieName: readName(given.name ?? settings?.name ?? 'sid'),
    sticky,
    servers,
    healthPath: health.path ?? (asksAnyway ? '/readyz' : undefined),
    listen: readListen(given.listen, tls === undefined ? 80 : 443),
    tls,
    idleSeconds: Math.ceil((settings?.idleTimeout ?? 1_800_000) / 1000),
    cookieSeconds: maxAge === undefined ? undefined : Math.ceil(maxAge / 1000),
  }
}

function readMode(text = 'sticky'): Mode {
  if (text === 'sticky' || text === 'non-sticky') return text
  throw usage(`--mode: expected sticky or non-sticky, got ${JSON.stringify(text)}`)
}

function readName(text: string): string {
  if (plainName.test(text)) return text
  throw usage(
    `--name: expected a cookie name of letters, digits, "_", "." and "-", which every balancer can read, got ${JSON.stringify(text)}`,
  )
}

/** `9400`, `/readyz`, `9400/readyz` or `none`. Not given: the administration's port in the file, if others can reach it. */
function readHealth(text: string | undefined, settings: BalancerSettings | undefined) {
  if (text === 'none') return { path: undefined, port: undefined }
  if (text === undefined) {
    const listen = settings?.admin?.listen
    return listen === undefined || listen.port === 0 || isLoopback(listen.host)
      ? { path: undefined, port: undefined }
      : { path: '/readyz', port: listen.port }
  }
  const [, digits = '', path = ''] = /^(\d*)(.*)$/s.exec(text) ?? []
  const sound = text !== '' && (path === '' || plainPath.test(path)) && (digits === '' || isPort(digits))
  if (!sound) {
    throw usage(
      `--health: expected a port such as 9400, a path such as /readyz, both (9400/readyz), or none, got ${JSON.stringify(text)}`,
    )
  }
  return { path: path === '' ? '/readyz' : path, port: digits === '' ? undefined : Number(digits) }
}

function readTls({ certificate, key }: BalancerArguments): BalancerPlan['tls'] {
  if (certificate === undefined) {
    if (key === undefined) return undefined
    throw usage('--key: expected together with --certificate')
  }
  return { certificate: readFileName('--certificate', certificate), key: readFileName('--key', key ?? certificate) }
}

function readFileName(option: string, text: string): string {
  if (fileName.test(text)) return text
  throw usage(`${option}: expected a path of letters, digits and _ . / @ + -, got ${JSON.stringify(text)}`)
}

function readListen(text: string | undefined, otherwise: number): BalancerPlan['listen'] {
  if (text === undefined) return { host: '*', port: otherwise }
  const [, address = '', port = ''] = /^(?:(.*):)?(\d+)$/s.exec(text) ?? []
  if (isPort(port) && (address === '' || address === '*' || host.test(address))) {
    return { host: address === '' ? '*' : address, port: Number(port) }
  }
  throw usage(`--listen: expected a port, or an address and a port such as 10.0.0.9:80, got ${JSON.stringify(text)}`)
}

function readServers(texts: readonly string[], healthPort: number | undefined, routed: boolean): BalancedServer[] {
  if (texts.length === 0) throw usage('no servers: expected at least one, such as app1=10.0.0.1:3000')
  if (texts.length > maxServers) throw usage(`${texts.length} servers: expected at most ${maxServers}`)
  const servers = texts.map((text, index) => readServer(text, index, healthPort, routed))
  for (const key of ['route', 'address'] as const) {
    const values = servers.map((server) => (key === 'route' ? server.route : `${server.host}:${server.port}`))
    const twice = values.find((value, index) => values.indexOf(value) !== index)
    if (twice !== undefined) throw usage(`servers: expected each ${key} once, got ${twice} twice`)
  }
  return servers
}

function readServer(text: string, index: number, healthPort: number | undefined, routed: boolean): BalancedServer {
  const [, name, address = '', port = '', health] = /^(?:([^=]*)=)?(.*?):(\d+)(?:,(\d+))?$/s.exec(text) ?? []
  const sound = host.test(address) && isPort(port) && (health === undefined || isPort(health))
  if (!sound || (name !== undefined && !route.test(name))) {
    throw usage(
      `server ${JSON.stringify(text)}: expected <route>=<host>:<port>, such as app1=10.0.0.1:3000; the route has letters, digits, "_" and "-"`,
    )
  }
  if (routed && name === undefined) {
    throw usage(
      `server ${JSON.stringify(text)}: expected its route, too (the option "route" of that server), such as app1=${text}`,
    )
  }
  return {
    route: name ?? `server${index + 1}`,
    host: address,
    port: Number(port),
    healthPort: Number(health ?? healthPort ?? port),
  }
}

function isPort(digits: string): boolean {
  return /^\d{1,5}$/.test(digits) && Number(digits) >= 1 && Number(digits) <= 65_535
}

function usage(message: string): UsageError {
  return new UsageError(message, HINT)
}
