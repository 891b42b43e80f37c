import { parseArgs } from 'node:util'
import type { Mode } from '../../config/settings.js'
import { UsageError } from '../usage-error.js'
import { freePorts, requireFree } from './free-ports.js'
import { LOOPBACK } from './storage-process.js'

export const demoHelp = `Usage: holdfast demo [options]

Two shop servers, two storage nodes and a balancer on this machine, with a page to kill and revive each, and a dashboard for
each server.

  --script             tell a story without a person: kill things, check every cart, print a table; exit 0 if all held
  --visitors <count>   of the story, 20 to 10000 (default 200)
  --mode <mode>        sticky (default): the balancer keeps a visitor at one server; non-sticky: it asks the servers in turn
  --port <port>        of the page (default 8080; with --script any free one; 0: any free one)
  --host <address>     where the page listens (default 127.0.0.1)
  --server-ports <a,b> of the two servers (default: free ones)
  --admin-ports <a,b>  of the dashboards of the two servers, on loopback (default: free ones; with --script none)
  --node-ports <a,b>   of the two storage nodes (default: free ones)
  --embedded           embedded storage nodes, even when memcached is installed
  --help               this text`

export interface DemoOptions {
  script: boolean
  /** How many shop in the story. */
  visitors: number
  mode: Mode
  embedded: boolean
  help: boolean
  host: string
  port: number
  serverPorts: readonly number[] | undefined
  /** Whether each server has a dashboard. The story needs none. */
  dashboards: boolean
  adminPorts: readonly number[] | undefined
  nodePorts: readonly number[] | undefined
}

const DEFAULT_PORT = 8080
const DEFAULT_VISITORS = 200
/* Fewer may by chance leave a storage node without a session. */
const FEWEST_VISITORS = 20
const MOST_VISITORS = 10_000

/** Throws a `UsageError` for what it doesn't understand. */
export function parseDemoOptions(args: string[]): DemoOptions {
  const values = parse(args)
  const script = values.script ?? false
  return {
    script,
    visitors: values.visitors === undefined ? DEFAULT_VISITORS : parseVisitors(values.visitors),
    mode: parseMode(values.mode),
    embedded: values.embedded ?? false,
    help: values.help ?? false,
    host: values.host ?? LOOPBACK,
    port: values.port === undefined ? (script ? 0 : DEFAULT_PORT) : parsePort(values.port, '--port', 0),
    serverPorts: parsePair(values['server-ports'], '--server-ports'),
    dashboards: !script || values['admin-ports'] !== undefined,
    adminPorts: parsePair(values['admin-ports'], '--admin-ports'),
    nodePorts: parsePair(values['node-ports'], '--node-ports'),
  }
}

/** The ports that were asked for, or free ones. Throws a `DemoError` that names the option for a port that is taken. */
export async function choosePorts(wanted: readonly number[] | undefined, option: string): Promise<readonly number[]> {
  for (const port of wanted ?? []) await requireFree(port, LOOPBACK, option)
  return wanted ?? (await freePorts(2, LOOPBACK))
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        script: { type: 'boolean' },
        visitors: { type: 'string' },
        mode: { type: 'string' },
        embedded: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        host: { type: 'string' },
        port: { type: 'string' },
        'server-ports': { type: 'string' },
        'admin-ports': { type: 'string' },
        'node-ports': { type: 'string' },
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), 'holdfast demo --help')
  }
}

function parseMode(text = 'sticky'): Mode {
  if (text === 'sticky' || text === 'non-sticky') return text
  throw new UsageError(`--mode wants sticky or non-sticky, not ${JSON.stringify(text)}`, 'holdfast demo --help')
}

function parseVisitors(text: string): number {
  const count = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (count >= FEWEST_VISITORS && count <= MOST_VISITORS) return count
  throw new UsageError(
    `--visitors wants a count from ${FEWEST_VISITORS} to ${MOST_VISITORS}, not ${JSON.stringify(text)}`,
    'holdfast demo --help',
  )
}

function parsePair(text: string | undefined, option: string): number[] | undefined {
  if (text === undefined) return undefined
  const ports = text.split(',').map((port) => parsePort(port.trim(), option, 1))
  if (ports.length === 2 && ports[0] !== ports[1]) return ports
  throw new UsageError(`${option} wants two different ports, as in ${option} 3001,3002`, 'holdfast demo --help')
}

function parsePort(text: string, option: string, lowest: number): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port >= lowest && port <= 65_535) return port
  throw new UsageError(`${option}: ${JSON.stringify(text)} is not a port`, 'holdfast demo --help')
}
