import {
  type CounterName,
  counterMeanings,
  type HistogramName,
  histogramMeanings,
} from '../../statistics/statistics.js'
import type { Managed } from '../managed.js'
import type { SessionTotals } from '../session-totals.js'
import { counter, type Family, gauge, histogram } from './family.js'
import { nodeFamilies } from './node-families.js'

const [milliseconds, bytes] = [0.001, 1]

/** Names in base units, as https://prometheus.io/docs/practices/naming/ asks for. */
const histogramNames: Record<HistogramName, string> = {
  effectiveBackup: 'holdfast_response_backup_wait_seconds',
  backup: 'holdfast_backup_duration_seconds',
  serialization: 'holdfast_serialization_duration_seconds',
  deserialization: 'holdfast_deserialization_duration_seconds',
  storageUpdate: 'holdfast_storage_update_duration_seconds',
  load: 'holdfast_session_load_duration_seconds',
  delete: 'holdfast_session_delete_duration_seconds',
  lockWait: 'holdfast_lock_wait_duration_seconds',
  recordSize: 'holdfast_record_size_bytes',
}

/** Every metric that `/metrics` shows. */
export function metricFamilies(managed: Managed, census: SessionTotals, version: string): Family[] {
  return [
    ...serverFamilies(managed, version),
    ...sessionFamilies(managed, census),
    ...workFamilies(managed),
    ...nodeFamilies(managed, census),
    ...counterFamilies(managed),
    ...histogramFamilies(managed),
  ]
}

/** `requestsIgnored` is `holdfast_requests_ignored_total`. */
export function counterName(name: string): string {
  return `holdfast_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_total`
}

function serverFamilies(managed: Managed, version: string): Family[] {
  const { context } = managed.manager
  const oneOf = (label: string, values: readonly string[], current: () => string) => () =>
    values.map((value) => ({ labels: { [label]: value }, value: Number(value === current()) }))
  return [
    gauge('holdfast_build_info', 'always 1; the version is in the label', () => [{ labels: { version }, value: 1 }]),
    gauge('holdfast_start_timestamp_seconds', 'when the session manager was made', () => managed.startedAt / 1000),
    gauge(
      'holdfast_mode',
      '1 for the mode in force',
      oneOf('mode', ['sticky', 'non-sticky'], () => context.settings.mode),
    ),
    gauge(
      'holdfast_state',
      '1 for the state of the server',
      oneOf('state', ['starting', 'ready', 'draining'], () => managed.state),
    ),
    gauge('holdfast_enabled', 'whether sessions are stored outside of this server', () => context.settings.enabled),
  ]
}

function sessionFamilies({ manager }: Managed, census: SessionTotals): Family[] {
  const figures = () => manager.figures()
  return [
    gauge('holdfast_sessions_active', 'sessions in the memory of this server', () => figures().activeSessions),
    gauge(
      'holdfast_sessions_limit',
      'sessions that this server holds at most; 0: no limit',
      () => manager.context.settings.maxActiveSessions,
    ),
    gauge('holdfast_sessions_bytes', 'bytes of the attributes in memory', () => census.current.bytes),
    gauge(
      'holdfast_sessions_unprotected',
      'sessions that no storage node can take at the moment',
      () => figures().unprotectedSessions,
    ),
    gauge(
      'holdfast_sessions_under_replicated',
      'sessions with fewer copies than there should be, or on the wrong nodes (non-sticky)',
      () => figures().underReplicatedSessions,
    ),
    gauge(
      'holdfast_sessions_known',
      'sessions in the storage whose places this server remembers (non-sticky)',
      () => figures().knownSessions,
    ),
    gauge('holdfast_requests_active', 'requests that use a session', () => census.current.activeRequests),
    gauge(
      'holdfast_protecting',
      'whether sessions are being moved or stored again in the background',
      () => figures().protecting,
    ),
  ]
}

function workFamilies({ manager: { queue, locks, context } }: Managed): Family[] {
  return [
    gauge('holdfast_write_behind_pending_sessions', 'sessions on their way to a storage node', () => queue.size),
    gauge('holdfast_write_behind_pending_bytes', 'bytes of those sessions', () => queue.pendingBytes),
    gauge(
      'holdfast_write_behind_limit_bytes',
      'pending bytes above which responses are held back',
      () => context.settings.backup.maxPendingBytes,
    ),
    gauge(
      'holdfast_write_behind_oldest_age_seconds',
      'time since the oldest pending session was queued',
      () => queue.oldestAge / 1000,
    ),
    gauge('holdfast_locks_held', 'locks that requests of this server hold', () => locks.held),
    gauge('holdfast_lock_waiters', 'requests that wait for a lock', () => locks.waiting),
  ]
}

function counterFamilies({ manager: { context } }: Managed): Family[] {
  return (Object.keys(counterMeanings) as CounterName[]).map((name) =>
    counter(counterName(name), counterMeanings[name], () => context.statistics.countedEver(name)),
  )
}

function histogramFamilies({ manager: { context } }: Managed): Family[] {
  return (Object.keys(histogramMeanings) as HistogramName[]).map((name) =>
    histogram(histogramNames[name], histogramMeanings[name], name === 'recordSize' ? bytes : milliseconds, () => [
      { totals: context.statistics.recordedEver(name) },
    ]),
  )
}
