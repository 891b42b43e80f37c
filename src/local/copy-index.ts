import type { Clock } from '../clock.js'
import type { Fence } from '../node/storage-node.js'
import type { WatchedNode } from '../placement/watched-node.js'
import { type Expiring, ExpiryWheel } from './expiry-wheel.js'

const SWEEP_INTERVAL = 1000
/** Sessions looked at in one go. */
const MAX_LOOKED = 500

/** A further copy of a session as this server has written it. */
export interface KnownCopy {
  node: WatchedNode
  /** For the next fenced write; valid as long as nobody else writes there. */
  fence: Fence
}

/** What a server remembers of a session that is in the storage: where its copies are, not what is in them. */
export class KnownSession implements Expiring {
  readonly token: string
  /** When the session ends, as far as this server knows: others may have served it later. Infinity: never. */
  expiresAt = Number.POSITIVE_INFINITY
  wheelBucket = 0
  /** Milliseconds, 0: none. */
  idleTimeout = 0
  /** 0: none. */
  absoluteDeadline = 0
  /** When this server last read or wrote the session. */
  accessedAt = 0
  /** When the life of the further copies was renewed by this server. */
  renewedAt = 0
  primary: WatchedNode | undefined
  copies: KnownCopy[] = []
  /** Nodes that may hold an older copy. */
  leftBehind: Set<WatchedNode> | undefined
  /** Of the token; made once, as it costs more than all else of a look-up. */
  digest = ''

  constructor(token: string) {
    this.token = token
  }

  copyOn(node: WatchedNode): KnownCopy | undefined {
    return this.copies.find((copy) => copy.node === node)
  }

  isOn(node: WatchedNode): boolean {
    return this.primary === node || this.copyOn(node) !== undefined
  }
}

/** The sessions in the storage that this server has served, as long as they may live. Bounded: the oldest are forgotten. */
export class CopyIndex {
  private readonly byToken = new Map<string, KnownSession>()
  private readonly wheel: ExpiryWheel<KnownSession>
  private readonly clock: Clock
  private readonly limit: number
  private readonly onDropped: () => void
  private sweptAt = 0
  /** Behind those that have been dropped: to begin anew each time would walk over all the gaps that they left. */
  private oldest: IterableIterator<string>

  /** @param onDropped called when one was forgotten for want of room. */
  constructor(clock: Clock, onDropped: () => void, limit = 100_000) {
    this.clock = clock
    this.limit = limit
    this.onDropped = onDropped
    this.wheel = new ExpiryWheel(SWEEP_INTERVAL, clock.now())
    this.oldest = this.byToken.keys()
  }

  get size(): number {
    return this.byToken.size
  }

  has(token: string): boolean {
    return this.byToken.has(token)
  }

  get(token: string): KnownSession | undefined {
    return this.byToken.get(token)
  }

  /** The session of that token, which is remembered from now on. Its times are to be set before `schedule`. */
  note(token: string): KnownSession {
    const known = this.byToken.get(token)
    if (known !== undefined) return known
    const added = new KnownSession(token)
    this.byToken.set(token, added)
    if (this.byToken.size > this.limit) this.dropOldest()
    return added
  }

  /** To be called when a session's end was set for the first time, or came nearer. */
  schedule(known: KnownSession): void {
    this.wheel.add(known)
  }

  delete(token: string): void {
    const known = this.byToken.get(token)
    if (known === undefined) return
    this.byToken.delete(token)
    this.wheel.remove(known)
  }

  values(): IterableIterator<KnownSession> {
    return this.byToken.values()
  }

  /** Forgets what has ended by now; cheap when called often. */
  sweep(): void {
    const now = this.clock.now()
    if (now - this.sweptAt < SWEEP_INTERVAL) return
    for (const { token } of this.wheel.sweep(now, MAX_LOOKED)) this.byToken.delete(token)
    if (!this.wheel.isBehind) this.sweptAt = now
  }

  clear(): void {
    for (const token of [...this.byToken.keys()]) this.delete(token)
    this.oldest = this.byToken.keys()
  }

  private dropOldest(): void {
    let oldest = this.oldest.next()
    if (oldest.done) {
      this.oldest = this.byToken.keys()
      oldest = this.oldest.next()
    }
    if (oldest.done) return
    this.delete(oldest.value)
    this.onDropped()
  }
}
