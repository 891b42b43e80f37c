import type { KnownSession, KnownSessions } from '../local/known-sessions.js'
import type { WatchedNode } from '../placement/watched-node.js'
import { type AttributeSection, emptySection } from '../record/record-format.js'
import { mergeAttributes } from '../session/merge-attributes.js'
import { tokenDigest } from '../session-id/session-id.js'
import { BackgroundWork } from './background-work.js'
import type { Engine } from './engine.js'
import { type FoundSession, type LookUp, lookUp } from './session-look-up.js'
import type { SessionStorage } from './session-storage.js'

/** Repairs under way at once. */
const MAX_RUNNING = 64
/** Sessions looked at in one tick: most need nothing, and the event loop belongs to the requests. */
const MAX_VISITS = 2000
/** Milliseconds before a repair that came to nothing is tried again. */
const TRY_AGAIN_AFTER = 1000

interface Walk {
  sessions: Iterator<KnownSession>
  matches: (known: KnownSession) => boolean
}

/**
 * Makes copies again that were lost with a node, moves those that are on a node that is to be left, and removes older ones that stayed
 * behind on a node that was away. In the background, at a bounded rate; sessions that nobody uses at the moment included.
 */
export class CopyRepair {
  private readonly engine: Engine
  private readonly storage: SessionStorage
  private readonly known: KnownSessions
  /** With the time before which they are not tried again. */
  private readonly waiting = new Map<string, number>()
  /** As well off as they can be while a node is away. */
  private readonly short = new Set<string>()
  private walks: Walk[] = []
  private running = 0
  private readonly work: BackgroundWork
  private closed = false

  constructor(engine: Engine, storage: SessionStorage, known: KnownSessions) {
    this.engine = engine
    this.storage = storage
    this.known = known
    this.work = new BackgroundWork(engine, (budget) => this.step(budget))
  }

  /** Sessions with fewer copies than there should be. */
  get size(): number {
    return this.waiting.size + this.short.size + this.running
  }

  get isBusy(): boolean {
    return this.walks.length + this.waiting.size + this.running > 0
  }

  add(token: string): void {
    if (this.closed || this.waiting.has(token)) return
    this.short.delete(token)
    this.waiting.set(token, 0)
    this.work.wake()
  }

  /** All sessions that match, found bit by bit. */
  addAll(matches: (known: KnownSession) => boolean): void {
    if (this.closed) return
    this.walks.push({ sessions: this.known.values(), matches })
    this.work.wake()
  }

  /** A node has returned: what it was missed for can be tried again. */
  resume(): void {
    for (const token of [...this.short]) this.add(token)
    for (const token of this.waiting.keys()) this.waiting.set(token, 0)
  }

  remove(token: string): void {
    this.waiting.delete(token)
    this.short.delete(token)
  }

  close(): void {
    this.closed = true
    this.work.close()
    this.walks = []
    this.waiting.clear()
    this.short.clear()
  }

  /** @returns whether there is more to do. */
  private step(limit: number): boolean {
    this.walk()
    let budget = limit
    const now = this.engine.clock.now()
    for (const [token, notBefore] of this.waiting) {
      if (budget <= 0 || this.running >= MAX_RUNNING) return true
      if (notBefore > now) continue
      budget--
      this.waiting.delete(token)
      void this.run(token)
    }
    return this.isBusy
  }

  private walk(): void {
    for (let visits = 0; visits < MAX_VISITS; visits++) {
      const [walk] = this.walks
      if (walk === undefined) return
      const next = walk.sessions.next()
      if (next.done) this.walks.shift()
      else if (walk.matches(next.value)) this.add(next.value.token)
    }
  }

  private async run(token: string): Promise<void> {
    this.running++
    const known = this.known.get(token)
    let outcome: 'complete' | 'short' | 'failed' = 'complete'
    if (known !== undefined) outcome = await this.repair(known).catch(() => 'failed' as const)
    this.running--
    if (this.closed || this.waiting.has(token) || this.known.get(token) === undefined) return
    if (outcome === 'short') this.short.add(token)
    if (outcome === 'failed') this.waiting.set(token, this.engine.clock.now() + TRY_AGAIN_AFTER)
  }

  private async repair(known: KnownSession): Promise<'complete' | 'short' | 'failed'> {
    const { placement, clock, settings } = this.engine
    const key = this.storage.key(tokenDigest(known.token))
    const copies = await lookUp(this.storage, placement.readable(known.token), key)
    const newest = copies.sessions[0]
    if (copies.tombstone || newest === undefined) {
      if (copies.tombstone || copies.failed.length === 0) this.known.delete(known.token)
      return copies.failed.length === 0 ? 'complete' : 'failed'
    }
    const { idleTimeout, absoluteDeadline } = newest.record
    const deadline = this.storage.deadline({ accessedAt: known.accessedAt, idleTimeout, absoluteDeadline })
    if (deadline !== 0 && deadline <= clock.now()) return 'complete'
    if (!(await this.uniteTwins(key, copies, deadline))) return 'failed'
    const wanted = this.placesOf(known, newest)
    const stored = await this.writeMissing(known, key, copies, wanted, deadline)
    await this.removeOlder(known, key, copies, wanted)
    if (!stored) return 'failed'
    return wanted.length < Math.min(settings.backup.replicas, placement.nodes.length) ? 'short' : 'complete'
  }

  /**
   * Servers that could not reach each other's nodes may have written the same version. What both had before is not known here, so no
   * attribute of either goes; of one that both have, that of the later wins.
   * @returns false: somebody was faster.
   */
  private async uniteTwins(key: string, { sessions }: LookUp, deadline: number): Promise<boolean> {
    const newest = sessions[0] as FoundSession
    const { record } = newest
    const twins = sessions.filter((copy) => copy.record.version === record.version && !isSame(copy, newest))
    if (twins.length === 0) return true
    const unite = (all: AttributeSection, twin: FoundSession) =>
      mergeAttributes(emptySection, all, twin.record.attributes, 'mine').section
    const attributes = twins.reduce(unite, record.attributes)
    const united = { ...record, version: record.version + 1, writer: this.engine.writer, attributes }
    const packed = this.storage.pack(united)
    const bytes = packed instanceof Promise ? await packed : packed
    const result = await newest.node.put(key, bytes, deadline, newest.token)
    if (!result.stored) return false
    this.engine.statistics.count('conflicts')
    newest.record = united
    newest.token = result.token
    return true
  }

  private placesOf(known: KnownSession, newest: FoundSession): WatchedNode[] {
    const { placement, settings } = this.engine
    const stays = [known.primary, newest.node].find((node) => node !== undefined && !placement.shouldLeave(node))
    const primary = stays ?? placement.choose(known.token)
    if (primary === undefined) return []
    if (known.primary !== primary && known.primary !== undefined) {
      known.leftBehind ??= new Set()
      known.leftBehind.add(known.primary)
    }
    known.primary = primary
    known.copies = known.copies.filter(({ node }) => node.isUsable && node !== primary)
    return [primary, ...placement.others(known.token, primary, settings.backup.replicas - 1)]
  }

  /** @returns whether every place has the newest copy now, or one that is newer still. */
  private async writeMissing(
    known: KnownSession,
    key: string,
    copies: LookUp,
    wanted: readonly WatchedNode[],
    deadline: number,
  ): Promise<boolean> {
    const newest = copies.sessions[0] as FoundSession
    const standing = new Map(copies.sessions.map((copy) => [copy.node, copy]))
    const missing = wanted.filter((node) => !isSame(standing.get(node), newest))
    if (missing.length === 0) return true
    /* The bytes as they are: whoever wrote them may know more than this server does. */
    const value = await newest.node.get(key)
    if (value === undefined) return false
    const results = await Promise.all(
      missing.map((node) => node.put(key, value.bytes, deadline, standing.get(node)?.token ?? 'absent')),
    )
    results.forEach((result, i) => {
      const node = missing[i] as WatchedNode
      if (!result.stored) return
      this.engine.statistics.count('restores')
      known.copies = known.copies.filter((copy) => copy.node !== node)
      if (node !== known.primary) known.copies.push({ node, token: result.token })
    })
    /* Where somebody was faster, the next look tells whether it was with the newest. */
    return results.every((result) => result.stored)
  }

  /* A copy is removed only as it was seen: a newer one that somebody writes meanwhile stays. */
  private async removeOlder(
    known: KnownSession,
    key: string,
    copies: LookUp,
    wanted: readonly WatchedNode[],
  ): Promise<void> {
    const newest = copies.sessions[0] as FoundSession
    const nodes = wanted.length === 0 ? [] : copies.sessions.filter(({ node }) => !wanted.includes(node))
    for (const { node, token, record } of nodes) {
      if (record.version >= newest.record.version && !node.draining) continue
      await node.delete(key, token).catch(() => {})
    }
    for (const node of known.leftBehind ?? []) {
      if (node.state !== 'down' && !copies.failed.includes(node)) known.leftBehind?.delete(node)
    }
  }
}

/* Two servers that could not see each other's nodes may have written the same version. */
function isSame(copy: FoundSession | undefined, { record }: FoundSession): boolean {
  return copy?.record.version === record.version && copy.record.writer === record.writer
}
