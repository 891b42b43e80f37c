import { durationBounds, Histogram, type HistogramSnapshot, type HistogramTotals, sizeBounds } from './histogram.js'

/** Every counter with its meaning; in brackets the figure of memcached-session-manager that it stands for. */
export const counterMeanings = {
  requestsIgnored: 'requests that the ignore pattern or the cookie path left without a session',
  requestsWithSession: 'requests that came with the id of a session that was found (NumRequestsWithSession)',
  requestsWithoutSession: 'requests without an id, or with one that leads nowhere (NumRequestsWithoutSession)',
  requestsWithoutAccess: 'requests that did not use the session (NumNoSessionAccess, NumNoAttributesAccess)',
  requestsWithoutChange: 'requests that used the session and changed nothing (NumNoSessionModification)',
  requestsWithChange: 'requests that changed the session',
  localHits: 'requests answered from this server’s memory without any storage operation',
  invalidIds: 'ids that are malformed or were not issued under our secret',
  unknownIds: 'ids of ours whose session is in no storage node',
  sessionsCreated: 'sessions that were created here',
  sessionsDestroyed: 'sessions that were destroyed here',
  sessionsExpired: 'sessions that expired here',
  idsRenewed: 'sessions that were given another id here, by renewId or renewIdAfter',
  changesLost: 'changes of requests whose session had ended before they were over',
  sessionsRejected: 'new sessions refused because of maxActiveSessions',
  newcomersRejected: 'new sessions refused because of newcomers.perSecond',
  sessionsReleased: 'local copies let go because another server owns the session or it was ended elsewhere',
  takeovers: 'sessions taken over from another server (NumTomcatFailover)',
  relocations: 'sessions whose backup moved to another storage node (NumMemcachedFailover)',
  restores: 'backups written again because the node had lost them',
  earlyLosses: 'copies that were gone from a node before their time, although it was up all the time',
  verifications: 'local copies compared with the stored record',
  verificationTimeouts: 'verifications that the request did not wait for to the end',
  backupsStored: 'backups that a storage node acknowledged',
  backupFailures: 'backups that were given up, at least for now (NumBackupFailures)',
  backupRetries: 'backup attempts after the first',
  backupsRefused: 'writes refused by the fence',
  backupTimeouts: 'responses that did not wait for their backup to the end (sync mode, explicit save)',
  backPressureWaits: 'responses held back because the write-behind queue was full',
  backPressureTimeouts: 'held-back responses that went on before the queue had room',
  handovers: 'pending changes given to the new owner after losing a session',
  conflicts: 'writes that another server came before, made again on top of what that one had written',
  mergedAttributes: 'attributes merged on top of a newer record',
  conflictingAttributes: 'attributes that both sides had changed when they were merged',
  mergeFailures: 'calls of the merge function that threw, so that the last writer won',
  yieldedAttributes: 'changed attributes that yielded to a later change of another server',
  unserializableAttributes: 'attributes that could not be serialised',
  unreadableRecords: 'stored records that could not be read',
  oversizedSessions: 'sessions that were too large to be stored',
  hedgedReads: 'reads of a further copy, as the first node let its visitor wait for far longer than it usually does',
  hedgedWrites:
    'writes that a response did not wait for, as another node had the change and this one was far slower than usual',
  underReplicated: 'writes that a node of a further copy did not acknowledge',
  outageWaits: 'waits for a storage node to come back, as none was up (non-sticky mode)',
  rememberedMisses: 'ids of ours that were found nowhere a moment ago, looked for on their own node alone',
  knownSessionsDropped: 'sessions whose places were forgotten for want of room',
  locksAcquired: 'locks that requests were given',
  lockWaits: 'requests that had to wait for a lock, with success or without',
  lockTimeouts: 'requests that waited for a lock in vain, or were turned away because too many wait',
  lockedChangesRefused:
    'requests whose changes under a lock do not count, as somebody else has changed the same meanwhile',
  locksLost: 'locks that could not be renewed in time, or were removed, while a request held them',
  tombstonesPending: 'ended sessions whose tombstone could not be written at once',
  endsDropped: 'ends of sessions that were given up because too many wait for nodes that are away',
  duplicateCookies: 'requests with more than one cookie of our name',
  replicaShortfalls: 'durable writes that fewer replicas than wanted acknowledged in time',
  nearCacheHits: 'reads answered from the near cache, without any storage operation',
  nearCacheMisses: 'reads that the near cache could not answer',
  nearCacheFlushes: 'times that the near cache was emptied because nobody could vouch for it any more',
  nodeFailures: 'times that a storage node went down',
  nodeRecoveries: 'times that a storage node came back',
} as const

export type CounterName = keyof typeof counterMeanings

/** Durations in milliseconds, sizes in bytes. */
export const histogramMeanings = {
  effectiveBackup: 'time that a response waited for its backup (EffectiveBackup)',
  backup: 'time from the change to its acknowledgement (Backup)',
  serialization: 'time to turn changed attributes into bytes (AttributesSerialization)',
  deserialization: 'time to read a stored record (SessionDeserialization)',
  storageUpdate: 'time of one write to a storage node (MemcachedUpdate)',
  load: 'time to load a session that is not in memory (SessionsLoadedFromMemcached)',
  delete: 'time to end a session in the storage (SessionsDeletedFromMemcached)',
  lockWait: 'time that a request waited for a lock, with success or without',
  recordSize: 'bytes of a stored record (CachedDataSize)',
} as const

export type HistogramName = keyof typeof histogramMeanings

export interface StatisticsSnapshot {
  counters: Record<CounterName, number>
  histograms: Record<HistogramName, HistogramSnapshot>
}

/** All figures of one manager. Switched off, nothing is counted and reading goes on to work. */
export class Statistics {
  enabled: boolean
  readonly counters: Record<CounterName, number>
  private readonly histograms: Record<HistogramName, Histogram>
  /** What was counted before the last reset. */
  private readonly earlier: Record<CounterName, number> = zeroes()

  constructor(enabled = true) {
    this.enabled = enabled
    this.counters = zeroes()
    const names = Object.keys(histogramMeanings) as HistogramName[]
    this.histograms = Object.fromEntries(
      names.map((name) => [name, new Histogram(name === 'recordSize' ? sizeBounds : durationBounds)]),
    ) as Record<HistogramName, Histogram>
  }

  count(name: CounterName, amount = 1): void {
    if (this.enabled) this.counters[name] += amount
  }

  record(name: HistogramName, value: number): void {
    if (this.enabled) this.histograms[name].record(value)
  }

  snapshot(): StatisticsSnapshot {
    const entries = Object.entries(this.histograms).map(([name, histogram]) => [name, histogram.snapshot()])
    return { counters: { ...this.counters }, histograms: Object.fromEntries(entries) }
  }

  histogram(name: HistogramName): HistogramSnapshot {
    return this.histograms[name].snapshot()
  }

  /* For those who watch how figures rise: these never fall, also when somebody resets what people look at. */

  /** Everything counted since the start. */
  countedEver(name: CounterName): number {
    return this.counters[name] + this.earlier[name]
  }

  /** Everything recorded since the start. */
  recordedEver(name: HistogramName): HistogramTotals {
    return this.histograms[name].lifetime()
  }

  reset(): void {
    for (const name of Object.keys(this.counters) as CounterName[]) this.earlier[name] += this.counters[name]
    Object.assign(this.counters, zeroes())
    for (const histogram of Object.values(this.histograms)) histogram.reset()
  }
}

function zeroes(): Record<CounterName, number> {
  return Object.fromEntries(Object.keys(counterMeanings).map((name) => [name, 0])) as Record<CounterName, number>
}
