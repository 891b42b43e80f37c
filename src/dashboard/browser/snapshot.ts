import type { JolokiaAnswer, JolokiaRequest } from './jolokia-messages.js'

/** Attributes of one MBean by name. */
export type Values = Readonly<Record<string, unknown>>

/** Everything that one poll brings. */
export interface Snapshot {
  /** Milliseconds since the epoch, by the clock of the browser. */
  at: number
  manager: Values
  statistics: Values
  writeBehind: Values
  locking: Values
  /** By the name of the MBean, in the server's order. */
  nodes: readonly { mbean: string; values: Values }[]
}

export const beans = {
  manager: 'holdfast:type=SessionManager',
  statistics: 'holdfast:type=Statistics',
  writeBehind: 'holdfast:type=WriteBehind',
  locking: 'holdfast:type=Locking',
  nodes: 'holdfast:type=StorageNode,*',
} as const

/** The figures of each MBean that the page shows. What there is besides, histograms above all, need not be made every second. */
const figures: Record<keyof typeof beans, readonly string[]> = {
  manager: [
    ...['Mode', 'Route', 'Version', 'StartedAt', 'State', 'Enabled', 'StatisticsEnabled'],
    ...['ActiveSessions', 'UnprotectedSessions', 'UnderReplicatedSessions', 'Protecting'],
  ],
  statistics: [
    ...['RequestsWithSession', 'RequestsWithoutSession', 'LocalHits', 'Takeovers', 'Relocations', 'BackupFailures'],
    ...['LockWaits', 'LockTimeouts', 'Conflicts'],
  ],
  writeBehind: ['PendingSessions', 'PendingBytes', 'OldestPendingAge', 'HasRoom'],
  locking: ['Waiting', 'Held'],
  nodes: [
    ...['Id', 'Address', 'State', 'Draining', 'DownFor', 'LastError', 'Sessions', 'Operations', 'Errors'],
    ...['LatencyAverage', 'LatencyP95', 'MemoryUsed', 'MemoryLimit', 'Evictions'],
  ],
}

/** What one poll asks, in the order in which `readSnapshot` takes the answers: the figures, and the settings that are shown. */
export function snapshotRequests(settings: readonly { mbean: string; name: string }[]): JolokiaRequest[] {
  return (Object.keys(beans) as (keyof typeof beans)[]).map((part) => {
    const shown = settings.filter(({ mbean }) => mbean === beans[part]).map(({ name }) => name)
    return { type: 'read', mbean: beans[part], attribute: [...new Set([...figures[part], ...shown])] }
  })
}

/** The answers of one poll. An MBean that is missing or refused has no values. */
export function readSnapshot(answers: readonly JolokiaAnswer[], at: number): Snapshot {
  const [manager, statistics, writeBehind, locking, nodes] = answers.map(valuesOf)
  return {
    at,
    manager: manager ?? {},
    statistics: statistics ?? {},
    writeBehind: writeBehind ?? {},
    locking: locking ?? {},
    nodes: Object.entries(nodes ?? {}).map(([mbean, values]) => ({ mbean, values: values as Values })),
  }
}

function valuesOf({ status, value }: JolokiaAnswer): Values {
  return status === 200 && typeof value === 'object' && value !== null ? (value as Values) : {}
}

/** A figure; `undefined`: it is not there, or could not be read. */
export function numberIn(values: Values | undefined, name: string): number | undefined {
  const value = values?.[name]
  return typeof value === 'number' ? value : undefined
}

export function textIn(values: Values | undefined, name: string): string | undefined {
  const value = values?.[name]
  return typeof value === 'string' ? value : undefined
}
