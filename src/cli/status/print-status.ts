import { formatDuration } from '../../config/duration.js'
import { formatSize } from '../../config/size.js'
import { type Painter, plainText, table } from '../terminal.js'
import type { Attributes, Status } from './ask-status.js'

const kinds = [
  ['from memory', 'LocalHits'],
  ['with session', 'RequestsWithSession'],
  ['without session', 'RequestsWithoutSession'],
  ['takeover', 'Takeovers'],
  ['relocation', 'Relocations'],
  ['conflict', 'Conflicts'],
  ['ignored', 'RequestsIgnored'],
] as const

/** The status as tables. Rates need an earlier look. */
export function printStatus(status: Status, before: Status | undefined, paint: Painter): string {
  return [
    header(status, paint),
    section('Storage nodes', nodeRows(status.nodes, paint), paint),
    section('Requests', requestRows(status, before), paint),
    section('Write-behind', writeBehindRows(status.writeBehind, paint), paint),
    section('Locks', lockRows(status), paint),
  ].join('\n')
}

function header({ manager, at }: Status, paint: Painter): string {
  const started = Date.parse(String(manager.StartedAt))
  const age = Number.isNaN(started) ? '' : `up ${formatDuration(Math.max(0, wholeSeconds(at - started)))}`
  const name = text(manager.Route) || 'no route'
  const state = manager.State === 'ready' ? paint.green('ready') : paint.yellow(text(manager.State))
  const unprotected = count(manager.UnprotectedSessions) + count(manager.UnderReplicatedSessions)
  const sessions = `${count(manager.ActiveSessions)} sessions in memory`
  const danger = unprotected === 0 ? '' : paint.red(`, ${unprotected} with too few copies`)
  const enabled = manager.Enabled === false ? `  ${paint.red('storage is switched off')}` : ''
  return `${paint.bold(`Holdfast ${text(manager.Version)}`)}  ${name}  ${text(manager.Mode)}  ${state}  ${age}\n${sessions}${danger}${enabled}\n`
}

function section(title: string, rows: string[][], paint: Painter): string {
  return `${paint.bold(title)}\n${table(rows.map((row) => ['', ...row]))}`
}

function nodeRows(nodes: readonly Attributes[], paint: Painter): string[][] {
  const rows = nodes.map((node) => [
    text(node.Id),
    text(node.Address),
    nodeState(node, paint),
    String(count(node.Sessions)),
    String(count(node.Operations)),
    String(count(node.Errors)),
    `${count(node.LatencyAverage).toFixed(1)}ms`,
    `${count(node.LatencyP95).toFixed(1)}ms`,
    problem(node, paint),
  ])
  return [[...columns, ''].map(paint.dim), ...rows]
}

const columns = ['id', 'address', 'state', 'sessions', 'operations', 'errors', 'average', '95 %']

function problem({ State, LastError }: Attributes, paint: Painter): string {
  return State === 'up' ? '' : paint.red(text(LastError))
}

function nodeState({ State, Draining, DownFor }: Attributes, paint: Painter): string {
  if (State === 'down') return paint.red(`down for ${formatDuration(wholeSeconds(count(DownFor)))}`)
  if (Draining === true) return paint.yellow('draining')
  return State === 'up' ? paint.green('up') : paint.yellow(text(State))
}

function requestRows({ statistics, at }: Status, before: Status | undefined): string[][] {
  const seconds = before === undefined ? 0 : (at - before.at) / 1000
  return kinds.map(([kind, attribute]) => {
    const total = count(statistics[attribute])
    /* Somebody may have reset the statistics meanwhile. */
    const news = Math.max(0, total - count(before?.statistics[attribute]))
    return [kind, String(total), ...(seconds > 0 ? [`${(news / seconds).toFixed(1)}/s`] : [])]
  })
}

function writeBehindRows(queue: Attributes, paint: Painter): string[][] {
  const room = queue.HasRoom === false ? paint.red('full: responses wait') : 'has room'
  return [
    ['pending', `${count(queue.PendingSessions)} sessions, ${formatSize(count(queue.PendingBytes))}`],
    ['oldest', formatDuration(count(queue.OldestPendingAge))],
    ['queue', room],
  ]
}

function lockRows({ locking, statistics }: Status): string[][] {
  return [
    ['mode', text(locking.Mode)],
    ['now', `${count(locking.Held)} held, ${count(locking.Waiting)} waiting`],
    ['so far', `${count(statistics.LockWaits)} waits, ${count(statistics.LockTimeouts)} in vain`],
  ]
}

function wholeSeconds(duration: number): number {
  return Math.round(duration / 1000) * 1000
}

function count(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

/* It comes from elsewhere: nothing in it may steer the terminal. */
function text(value: unknown): string {
  return plainText(typeof value === 'string' ? value : '')
}
