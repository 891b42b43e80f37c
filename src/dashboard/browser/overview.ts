import { byId, setText } from './elements.js'
import { formatBytes, formatCount, formatDuration, formatRate, unknown } from './format.js'
import { requestRate } from './rates.js'
import { numberIn, type Snapshot, textIn, type Values } from './snapshot.js'

/** The head of the page and the row of figures below it. */
export function showOverview(now: Snapshot, before: Snapshot | undefined): void {
  showServer(now.manager, now.at)
  showFigures(now, before)
}

function showServer(manager: Values, at: number): void {
  const route = textIn(manager, 'Route')
  const name = route === undefined || route === '' ? 'without a route' : route
  setText(byId('route'), name)
  document.title = `Holdfast · ${name}`
  setText(byId('mode'), textIn(manager, 'Mode') ?? unknown)
  setText(byId('state'), textIn(manager, 'State') ?? unknown)
  setText(byId('version'), textIn(manager, 'Version') ?? unknown)
  const started = Date.parse(textIn(manager, 'StartedAt') ?? '')
  setText(byId('uptime'), Number.isNaN(started) ? unknown : formatDuration(Math.max(1000, at - started)))
  const disabled = manager.Enabled === false
  setText(byId('enabled'), disabled ? 'no' : 'yes')
  byId('enabled').classList.toggle('bad', disabled)
  byId('statistics-off').hidden = manager.StatisticsEnabled !== false
}

function showFigures({ manager, statistics, writeBehind, locking, at }: Snapshot, before: Snapshot | undefined): void {
  const now = { manager, statistics, writeBehind, locking, nodes: [], at }
  const total = sum(numberIn(statistics, 'RequestsWithSession'), numberIn(statistics, 'RequestsWithoutSession'))
  setText(byId('sessions'), formatCount(numberIn(manager, 'ActiveSessions')))
  setText(byId('request-rate'), formatRate(requestRate(now, before)))
  setText(byId('request-total'), `${formatCount(total)} in all`)
  setText(byId('pending'), formatCount(numberIn(writeBehind, 'PendingSessions')))
  setText(byId('pending-bytes'), pendingNote(writeBehind))
  const unprotected = sum(numberIn(manager, 'UnprotectedSessions'), numberIn(manager, 'UnderReplicatedSessions'))
  setText(byId('unprotected'), formatCount(unprotected))
  setText(byId('protecting'), manager.Protecting === true ? 'being stored again now' : 'or with too few copies')
  byId('unprotected').classList.toggle('bad', (unprotected ?? 0) > 0)
  const failures = numberIn(statistics, 'BackupFailures')
  setText(byId('failures'), formatCount(failures))
  byId('failures').classList.toggle('bad', (failures ?? 0) > 0)
  setText(byId('lock-waiting'), formatCount(numberIn(locking, 'Waiting')))
  setText(byId('lock-held'), `${formatCount(numberIn(locking, 'Held'))} held`)
}

function pendingNote(writeBehind: Values): string {
  return writeBehind.HasRoom === false ? 'the queue is full' : formatBytes(numberIn(writeBehind, 'PendingBytes'))
}

function sum(...values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0)
}
