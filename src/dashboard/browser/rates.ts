import { numberIn, type Snapshot } from './snapshot.js'

/** Figures of one moment by name; `null`: not known. */
export type Sample = Readonly<Record<string, number | null>>

/** What a counter grew by a second between two polls; 0 after a reset, `null` when it is not known. */
export function rateOf(counter: string, now: Snapshot, before: Snapshot | undefined): number | null {
  const [current, last] = [numberIn(now.statistics, counter), numberIn(before?.statistics, counter)]
  const seconds = (now.at - (before?.at ?? now.at)) / 1000
  if (current === undefined || last === undefined || seconds <= 0) return null
  return Math.max(0, current - last) / seconds
}

/** The figures that the charts show. */
export function sampleOf(now: Snapshot, before: Snapshot | undefined): Sample {
  const rate = (counter: string): number | null => rateOf(counter, now, before)
  const [found, local, takenOver] = [rate('RequestsWithSession'), rate('LocalHits'), rate('Takeovers')]
  return {
    localHits: local,
    fromStorage: found === null ? null : Math.max(0, found - (local ?? 0) - (takenOver ?? 0)),
    takeovers: takenOver,
    relocations: rate('Relocations'),
    noSession: rate('RequestsWithoutSession'),
    pending: numberIn(now.writeBehind, 'PendingSessions') ?? null,
    unprotected: numberIn(now.manager, 'UnprotectedSessions') ?? null,
    oldestAge: numberIn(now.writeBehind, 'OldestPendingAge') ?? null,
    lockWaits: rate('LockWaits'),
    lockTimeouts: rate('LockTimeouts'),
    conflicts: rate('Conflicts'),
  }
}

/** Requests a second, with and without a session. */
export function requestRate(now: Snapshot, before: Snapshot | undefined): number | null {
  const [found, without] = [rateOf('RequestsWithSession', now, before), rateOf('RequestsWithoutSession', now, before)]
  return found === null || without === null ? null : found + without
}
