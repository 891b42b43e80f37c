import type { Clock, Timer } from '../clock.js'
import type { SessionState } from '../local/session-state.js'
import { jittered, type RandomSource } from '../random.js'

/** What became of one attempt to save a session. */
export type SaveResult =
  /** Storage has it, or there is nothing left to save. */
  | 'done'
  /** No node can take it now; it is saved later by another way. */
  | 'parked'
  /** This session can't be stored as it is. */
  | 'rejected'
  /** The node failed; worth another attempt. */
  | 'retry'

export interface SaveQueueOptions {
  clock: Clock
  random: RandomSource
  /** One attempt. Must not reject and must be bounded in time. `attempt` counts from 1. */
  save: (state: SessionState, attempt: number) => Promise<SaveResult>
  /** Saves under way at once for sessions of one node. */
  concurrency: () => number
  /** Bytes that wait before `hasRoom` says no. */
  maxPendingBytes: () => number
  /** Milliseconds that an entry waits for others, to be sent together. */
  delay: () => number
  /** Called when an entry was retried. */
  onRetry: () => void
}

type Settled = (result: SaveResult) => void

interface Entry {
  state: SessionState
  status: 'waiting' | 'running' | 'resting'
  bytes: number
  attempt: number
  /** Changed while running: once more. */
  again: boolean
  /** Not to be tried again; what those who wait are told then. */
  dropped: SaveResult | undefined
  since: number
  lane: Lane
  timer: Timer | undefined
  waiters: Settled[] | undefined
}

/** The sessions of one node: a slow node does not hold back the others. */
interface Lane {
  key: unknown
  running: number
  waiting: Set<Entry>
}

const FIRST_REST = 25
const LONGEST_REST = 1000

/**
 * Write-behind: one entry a session, which saves the session as it is when its turn comes (so the newest wins), one
 * save under way a session (so they are in order), a bounded number a node. The entries hold no copies of the data:
 * what is bounded by bytes is how much of the memory's content storage does not have yet.
 */
export class SaveQueue {
  private readonly options: SaveQueueOptions
  private readonly entries = new Map<SessionState, Entry>()
  private readonly lanes = new Map<unknown, Lane>()
  private roomWaiters: (() => void)[] = []
  private idleWaiters: (() => void)[] = []
  private readonly gathering = new Set<Entry>()
  private delayTimer: Timer | undefined
  private closed = false
  private bytes = 0

  constructor(options: SaveQueueOptions) {
    this.options = options
  }

  /** Entries that are not settled. */
  get size(): number {
    return this.entries.size
  }

  get pendingBytes(): number {
    return this.bytes
  }

  get hasRoom(): boolean {
    return this.bytes <= this.options.maxPendingBytes()
  }

  /** Milliseconds since the oldest entry was made; 0 when there is none. */
  get oldestAge(): number {
    const first = this.entries.values().next()
    return first.done ? 0 : this.options.clock.now() - first.value.since
  }

  /** Sees to it that the session is saved as it is now or later. */
  add(state: SessionState): void {
    if (this.closed) return
    const existing = this.entries.get(state)
    if (existing !== undefined) {
      this.resize(existing)
      existing.dropped = undefined
      if (existing.status === 'running') existing.again = true
      return
    }
    const lane = this.laneOf(state)
    const since = this.options.clock.now()
    const entry: Entry = {
      state,
      status: 'waiting',
      bytes: 0,
      attempt: 1,
      again: false,
      dropped: undefined,
      since,
      lane,
      timer: undefined,
      waiters: undefined,
    }
    this.entries.set(state, entry)
    this.resize(entry)
    this.gather(entry)
  }

  has(state: SessionState): boolean {
    return this.entries.has(state)
  }

  /** Resolves when a save of the session that is under way now is over. */
  running(state: SessionState): Promise<SaveResult> | undefined {
    return this.entries.get(state)?.status === 'running' ? this.settled(state) : undefined
  }

  /** Resolves when what is pending for the session now has been settled; at once when nothing is. */
  settled(state: SessionState): Promise<SaveResult> {
    const entry = this.entries.get(state)
    if (entry === undefined) return Promise.resolve('done')
    return new Promise((resolve) => {
      entry.waiters ??= []
      entry.waiters.push(resolve)
      this.advanceAll(entry)
    })
  }

  /** Forgets a session that ended; a save under way goes on, but not once more. */
  drop(state: SessionState): void {
    const entry = this.entries.get(state)
    if (entry === undefined) return
    entry.again = false
    entry.dropped = 'done'
    if (entry.status !== 'running') this.finish(entry, 'done')
  }

  /** Resolves when there is room; the caller bounds the wait. */
  room(): Promise<void> {
    if (this.hasRoom) return Promise.resolve()
    this.advanceAll()
    return new Promise((resolve) => this.roomWaiters.push(resolve))
  }

  /** Resolves when nothing is pending; the caller bounds the wait. */
  idle(): Promise<void> {
    if (this.entries.size === 0) return Promise.resolve()
    this.advanceAll()
    return new Promise((resolve) => this.idleWaiters.push(resolve))
  }

  /** Drops everything that is not under way, and takes nothing more. */
  close(): void {
    this.closed = true
    this.options.clock.clearTimeout(this.delayTimer)
    this.delayTimer = undefined
    for (const entry of [...this.entries.values()]) {
      entry.again = false
      entry.dropped = 'parked'
      if (entry.status !== 'running') this.finish(entry, 'parked')
    }
  }

  /*
   * A write to a socket costs several times what the rest of a save does; those of a few milliseconds go out together. Nobody
   * waits for them: whoever does wait has them sent at once.
   */
  private gather(entry: Entry): void {
    this.gathering.add(entry)
    const delay = this.options.delay()
    /* A session that storage does not have at all is in a hurry: the visitor may be sent to another server next. */
    if (delay <= 0 || entry.waiters !== undefined || !entry.state.wasStored) {
      this.advanceAll(entry)
      return
    }
    if (this.delayTimer !== undefined) return
    this.delayTimer = this.options.clock.setTimeout(() => this.advanceAll(), delay)
    this.delayTimer.unref()
  }

  /** @param own whose caller sets this off */
  private advanceAll(own?: Entry): void {
    this.options.clock.clearTimeout(this.delayTimer)
    this.delayTimer = undefined
    const lanes = new Set<Lane>()
    for (const entry of this.gathering) {
      entry.lane = this.laneOf(entry.state)
      entry.lane.waiting.add(entry)
      lanes.add(entry.lane)
    }
    this.gathering.clear()
    for (const lane of lanes) this.advance(lane, own)
  }

  private advance(lane: Lane, own?: Entry): void {
    const limit = this.options.concurrency()
    for (const entry of lane.waiting) {
      if (lane.running >= limit) return
      lane.waiting.delete(entry)
      lane.running++
      entry.status = 'running'
      entry.again = false
      /* Saves of other visitors that this sets off are not the caller's. */
      if (entry === own) void this.run(entry, lane)
      else this.options.clock.inBackground(() => void this.run(entry, lane))
    }
    if (lane.running === 0 && lane.waiting.size === 0) this.lanes.delete(lane.key)
  }

  private async run(entry: Entry, lane: Lane): Promise<void> {
    /* Who waits already is answered by this save, who comes later by the next one. */
    const served = entry.waiters
    entry.waiters = undefined
    const answer = await this.options.save(entry.state, entry.attempt)
    const result = answer === 'retry' && entry.dropped !== undefined ? entry.dropped : answer
    lane.running--
    if (result === 'retry') {
      if (served !== undefined) entry.waiters = served.concat(entry.waiters ?? [])
      this.rest(entry)
    } else {
      for (const settle of served ?? []) settle(result)
      if (entry.again && result !== 'parked') this.requeue(entry, 1)
      else this.finish(entry, result)
    }
    this.advance(lane)
  }

  /* Back-off doubles and is jittered, so that servers that failed together do not come back together. */
  private rest(entry: Entry): void {
    const longest = Math.min(FIRST_REST * 2 ** (entry.attempt - 1), LONGEST_REST)
    entry.status = 'resting'
    const { clock, random } = this.options
    entry.timer = clock.setTimeout(() => this.requeue(entry, entry.attempt + 1), jittered(longest, random))
    entry.timer.unref()
    this.options.onRetry()
  }

  private requeue(entry: Entry, attempt: number): void {
    entry.timer = undefined
    entry.attempt = attempt
    entry.status = 'waiting'
    this.resize(entry)
    this.gather(entry)
  }

  private finish(entry: Entry, result: SaveResult): void {
    this.options.clock.clearTimeout(entry.timer)
    entry.lane.waiting.delete(entry)
    this.gathering.delete(entry)
    this.entries.delete(entry.state)
    this.bytes -= entry.bytes
    for (const settle of entry.waiters ?? []) settle(result)
    if (this.roomWaiters.length > 0 && this.hasRoom) for (const go of this.roomWaiters.splice(0)) go()
    if (this.entries.size === 0) for (const go of this.idleWaiters.splice(0)) go()
  }

  private resize(entry: Entry): void {
    const bytes = entry.state.section.length
    this.bytes += bytes - entry.bytes
    entry.bytes = bytes
  }

  private laneOf(state: SessionState): Lane {
    const key = state.node
    let lane = this.lanes.get(key)
    if (lane === undefined) {
      lane = { key, running: 0, waiting: new Set() }
      this.lanes.set(key, lane)
    }
    return lane
  }
}
