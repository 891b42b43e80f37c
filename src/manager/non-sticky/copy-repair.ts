import type { CopyIndex, KnownSession } from '../../local/copy-index.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { type AttributeSection, joinSections } from '../../record/attribute-section.js'
import { factsOf } from '../../record/session-facts.js'
import { tokenDigest } from '../../session-id/session-id.js'
import { BackgroundWork } from '../context/background-work.js'
import type { ManagerContext } from '../context/manager-context.js'
import type { RecordStore } from '../stored/record-store.js'
import { type FoundSession, type LookUp, lookUp } from '../stored/session-look-up.js'

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
  private readonly context: ManagerContext
  private readonly storage: RecordStore
  private readonly known: CopyIndex
  /** With the time before which they are not tried again. */
  private readonly waiting = new Map<string, number>()
  /** As well off as they can be while a node is away. */
  private readonly short = new Set<string>()
  private walks: Walk[] = []
  private running = 0
  private readonly work: BackgroundWork
  private closed = false

  constructor(context: ManagerContext, storage: RecordStore, known: CopyIndex) {
    this.context = context
    this.storage = storage
    this.known = known
    this.work = new BackgroundWork(context, (budget) => this.step(budget))
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

  /** Whether the session waits for its turn, or for a node to return. */
  has(token: string): boolean {
    return this.waiting.has(token) || this.short.has(token)
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
    const now = this.context.clock.now()
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
    if (outcome === 'failed') this.waiting.set(token, this.context.clock.now() + TRY_AGAIN_AFTER)
  }

  private async repair(known: KnownSession): Promise<'complete' | 'short' | 'failed'> {
    const { placement, clock, settings } = this.context
    const key = this.storage.key(tokenDigest(known.token))
    const copies = await lookUp(this.storage, placement.readable(known.token), key)
    const [latest] = copies.sessions
    if (copies.tombstone || latest === undefined) {
      if (copies.tombstone || copies.failed.length === 0) this.known.delete(known.token)
      return copies.failed.length === 0 ? 'complete' : 'failed'
    }
    const joined = copies.sessions.reduce(
      (all, { record }) => joinSections(all, record.attributes),
      latest.record.attributes,
    )
    const deadline = this.storage.deadline({ accessedAt: known.accessedAt, ...factsOf(joined) })
    if (deadline !== 0 && deadline <= clock.now()) return 'complete'
    const wanted = this.placesOf(known, latest)
    const stored = await this.writeMissing(known, copies, joined, wanted, deadline)
    if (!stored) return 'failed'
    await this.removeOthers(known, key, copies, wanted)
    return wanted.length < Math.min(settings.backup.replicas, placement.size) ? 'short' : 'complete'
  }

  private placesOf(known: KnownSession, latest: FoundSession): WatchedNode[] {
    const { placement, settings } = this.context
    const primary = placement.stayOrChoose(known.token, known.primary, latest.node)
    if (primary === undefined) return []
    if (known.primary !== primary && known.primary !== undefined) {
      known.leftBehind ??= new Set()
      known.leftBehind.add(known.primary)
    }
    known.primary = primary
    known.copies = known.copies.filter(({ node }) => node.isUsable && node !== primary)
    return [primary, ...placement.others(known.token, primary, settings.backup.replicas - 1)]
  }

  /** @returns whether every place has all that is in any of the copies. */
  private async writeMissing(
    known: KnownSession,
    copies: LookUp,
    joined: AttributeSection,
    wanted: readonly WatchedNode[],
    deadline: number,
  ): Promise<boolean> {
    const { notes } = this.context
    const standing = new Map(copies.sessions.map((copy) => [copy.node, copy]))
    const missing = wanted.filter((node) => {
      const record = standing.get(node)?.record
      return record?.attributes !== joined || wanted.some((other) => notes.isDoubtful(record.era, other))
    })
    if (missing.length === 0) return true
    const [latest] = copies.sessions as [FoundSession]
    if (copies.sessions.length > 1 && latest.record.attributes !== joined) this.context.statistics.count('conflicts')
    const { key } = latest.record
    const era = copies.failed.length === 0 ? copies.era : latest.record.era
    const packed = this.storage.pack({ ...latest.record, era, writer: this.context.writer, attributes: joined })
    const bytes = packed instanceof Promise ? await packed : Buffer.from(packed)
    const results = await Promise.all(
      missing.map((node) => node.put(key, bytes, deadline, standing.get(node)?.fence ?? 'absent')),
    )
    results.forEach((result, i) => {
      const node = missing[i] as WatchedNode
      if (!result.stored) return
      this.context.statistics.count('restores')
      known.copies = known.copies.filter((copy) => copy.node !== node)
      if (node !== known.primary) known.copies.push({ node, fence: result.fence })
    })
    /* Where somebody was faster, the next look tells what with. */
    return results.every((result) => result.stored)
  }

  /* What is in them has just been stored where it belongs. A copy is removed only as it was seen: one that somebody writes meanwhile stays. */
  private async removeOthers(
    known: KnownSession,
    key: string,
    copies: LookUp,
    wanted: readonly WatchedNode[],
  ): Promise<void> {
    const nodes = wanted.length === 0 ? [] : copies.sessions.filter(({ node }) => !wanted.includes(node))
    for (const { node, fence } of nodes) await this.storage.removeCopy(node, key, fence, wanted).catch(() => {})
    for (const node of known.leftBehind ?? []) {
      if (node.state !== 'down' && !copies.failed.includes(node)) known.leftBehind?.delete(node)
    }
  }
}
