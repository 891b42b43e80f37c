import type { Clock } from '../../clock.js'
import type { Placement } from '../../placement/placement.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { NodeUse } from './node-use.js'

/** What all servers of a cluster know together. */
interface Note {
  /** Grows whenever a storage node goes away, or comes back without all that it had. */
  era: number
  /** The era in which each node was away last, by the node's name. */
  awayAt: Map<string, number>
  /** Sessions that were created before that time have ended; milliseconds since the epoch, 0: none. */
  endedBefore: number
  /** See `NodeUse.entries`. */
  used: Map<string, number>
}

/** The same as it stands on one node. */
interface StoredNote extends Note {
  /** Made when the note was first written there: another one means that the node has lost what it had. */
  birth: string
}

/** No copy is of an earlier one but those that were not compared with the others: they are doubtful on every node. */
const FIRST_ERA = 1
/**
 * So many raises for one node in so many milliseconds: a server with a bad link must not make everybody compare everything. A raise that has
 * to wait makes more doubtful than it needs to, so the usual way of a node that goes and comes never waits.
 */
const RAISES_AT_MOST = 3
const RAISES_WITHIN = 15_000
const NOTE_LIFE = 30 * 86_400_000
/** How often one write may be overtaken by other servers; the next look is the next try. */
const MAX_ROUNDS = 5
const MAX_NOTE_BYTES = 100_000
/** Milliseconds between two looks for a node that somebody's id names and nobody has told of. */
const ASK_AGAIN_AFTER = 1000

/**
 * Word that servers leave for each other on every storage node, beside the sessions: what each node may have missed, who uses which
 * nodes, and which sessions have ended altogether. Notes are joined, the greater number wins; so a server that has just started knows too, and
 * no clocks are compared. From what stands on a node it is also seen whether the node has lost what it had.
 */
export class ClusterNotes {
  private readonly clock: Clock
  private readonly placement: Placement
  private readonly keyPrefix: () => string
  private readonly newName: () => string
  /** What was last seen on each node. */
  private readonly seen = new Map<WatchedNode, { birth: string; era: number }>()
  /** Called when a node has lost what it had, or some of it. */
  onLost: (node: WatchedNode) => void = () => {}
  /** Called when a node turns out to be one that is known under another address already. */
  onTwin: (node: WatchedNode, other: WatchedNode) => void = () => {}
  /** Called when sessions have ended altogether: see `hasEnded`. */
  onEnded: () => void = () => {}
  private readonly note = { era: FIRST_ERA, awayAt: new Map<string, number>(), endedBefore: 0 }
  private readonly use: NodeUse
  /** The greatest of `note.awayAt`. */
  private lastAway = FIRST_ERA
  private isRead = false
  private readonly reading = new Map<WatchedNode, Promise<boolean>>()
  private readonly raisedAt = new Map<WatchedNode, number[]>()
  private readonly toRaise = new Set<WatchedNode>()
  /** A node was read for the first time: the others do not have the word yet that it is used. */
  private hasNews = false
  private askedAt = Number.NEGATIVE_INFINITY
  private closed = false

  constructor(clock: Clock, placement: Placement, keyPrefix: () => string, newName: () => string) {
    this.clock = clock
    this.placement = placement
    this.keyPrefix = keyPrefix
    this.newName = newName
    this.use = new NodeUse(clock)
  }

  /** The era for sessions that are compared with all of their copies from now on; 0: nothing is known yet. */
  get era(): number {
    return this.isRead ? this.note.era : 0
  }

  /** Whether any node's word is known; without, nothing can be said of what others have noticed. */
  get isKnown(): boolean {
    return this.isRead
  }

  /** Whether a session that was created then has ended with all the others of its time. */
  hasEnded(createdAt: number): boolean {
    return createdAt < this.note.endedBefore
  }

  /** Whether a node may have missed something of a session that was compared with all of its copies in that era. */
  isDoubtful(era: number, node: WatchedNode): boolean {
    return !this.isRead || era < this.awayAt(node)
  }

  /** Whether any node may have missed something of such a session. */
  isBehind(era: number): boolean {
    return era < this.lastAway
  }

  /** The era that a session on the node has to be of. */
  awayAt(node: WatchedNode): number {
    return this.note.awayAt.get(node.name) ?? FIRST_ERA
  }

  /** Whether two addresses lead to one server, by what was written through one and is read through the other. */
  areOne(a: WatchedNode, b: WatchedNode): 'yes' | 'no' | 'unknown' {
    if (a === b) return 'yes'
    const [one, other] = [this.seen.get(a)?.birth, this.seen.get(b)?.birth]
    if (one === undefined || other === undefined) return 'unknown'
    return one === other ? 'yes' : 'no'
  }

  /** Whether any server, this one included, has told lately that it uses the node. */
  isInUse(node: WatchedNode): boolean {
    const birth = this.seen.get(node)?.birth
    return birth !== undefined && this.use.isUsed(node.name, birth)
  }

  /**
   * Whether other servers use a storage node of that name which is none of ours, as their lists of nodes are older or newer: sessions may be
   * there. Where the name says nothing here, the other servers' word is read first.
   * @param name as in an id, so by anybody
   */
  async isUsedElsewhere(name: string | undefined): Promise<boolean> {
    if (name === undefined) return false
    const now = this.clock.monotonic()
    const ours = this.placement.byName(name)
    /* It is in our configuration, and has never answered. */
    if (ours !== undefined && !this.seen.has(ours)) return false
    if (ours === undefined && now - this.askedAt >= ASK_AGAIN_AFTER) {
      this.askedAt = now
      await this.exchange()
    }
    const own = new Set(this.placement.nodes.map((node) => this.seen.get(node)?.birth))
    return this.use.birthsOf(name).some((birth) => !own.has(birth))
  }

  /** The node was out of reach, or is not what it was: whatever is on it is to be compared before it is used. */
  raise(node: WatchedNode): void {
    const raised = this.raisesOf(node)
    if (raised.length >= RAISES_AT_MOST) {
      this.toRaise.add(node)
      return
    }
    this.toRaise.delete(node)
    this.raisedAt.set(node, [...raised, this.clock.monotonic()])
    this.note.era++
    this.note.awayAt.set(node.name, this.note.era)
    this.lastAway = this.note.era
    void this.exchange()
  }

  /** Everything that was created before has ended. @returns whether every node has taken that. */
  async endBefore(time: number): Promise<boolean> {
    this.endUntil(time)
    /* One exchange may be under way already, with the old note. */
    await this.settled()
    return this.exchange()
  }

  /** Brings this server's word and that of each node together. Never rejects. @returns whether every node has all of it. */
  async exchange(): Promise<boolean> {
    for (const node of [...this.toRaise]) if (this.mayRaise(node)) this.raise(node)
    const answers = await Promise.all(this.placement.nodes.map((node) => this.exchangeWith(node)))
    return !answers.includes(false)
  }

  exchangeWith(node: WatchedNode): Promise<boolean> {
    if (this.closed || node.state === 'down') return Promise.resolve(false)
    const underWay = this.reading.get(node)
    if (underWay !== undefined) return underWay
    const exchange = this.clock
      .inBackground(() => this.joinWith(node))
      .catch(() => false)
      .finally(() => this.wasRead(node))
    this.reading.set(node, exchange)
    return exchange
  }

  /** Resolves when the exchanges that are under way are over: by then it is known whether a node has lost what it had. */
  async settled(): Promise<void> {
    await Promise.all([...this.reading.values()])
  }

  close(): void {
    this.closed = true
  }

  private wasRead(node: WatchedNode): void {
    this.reading.delete(node)
    if (this.reading.size > 0 || !this.hasNews) return
    this.hasNews = false
    void this.exchange()
  }

  private mayRaise(node: WatchedNode): boolean {
    if (!this.placement.nodes.includes(node)) this.toRaise.delete(node)
    return this.toRaise.has(node) && this.raisesOf(node).length < RAISES_AT_MOST
  }

  /** When it was raised lately. */
  private raisesOf(node: WatchedNode): number[] {
    const now = this.clock.monotonic()
    return (this.raisedAt.get(node) ?? []).filter((time) => now - time < RAISES_WITHIN)
  }

  private get key(): string {
    return `${this.keyPrefix()}notes`
  }

  private everything(): Note {
    return { ...this.note, used: this.use.entries() }
  }

  private async joinWith(node: WatchedNode): Promise<boolean> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const life = this.clock.now() + NOTE_LIFE
      const found = await node.get(this.key, life)
      const theirs = found === undefined ? undefined : readNote(found.bytes)
      this.isRead = true
      /* Only what stands there has a birth that everybody knows it by. */
      if (found === undefined || theirs === undefined) {
        await node.put(this.key, writeNote(this.everything(), this.newName()), life, found?.fence ?? 'absent')
        continue
      }
      this.join(theirs)
      const { birth } = theirs
      if (node.duty !== 'left') this.use.tell(node.name, birth)
      const note = this.everything()
      const { era } = note
      if (!isSame(theirs, note)) {
        const result = await node.put(this.key, writeNote(note, birth), life, found.fence)
        if (!result.stored) continue
      }
      this.see(node, birth, theirs.era, era)
      return true
    }
    return false
  }

  private see(node: WatchedNode, birth: string, found: number, era: number): void {
    const before = this.seen.get(node)
    this.seen.set(node, { birth, era })
    if (before === undefined) {
      this.hasNews = this.placement.nodes.length > 1
      for (const other of this.placement.nodes)
        if (other !== node && this.areOne(node, other) === 'yes') this.onTwin(node, other)
    }
    for (const known of this.seen.keys()) if (!this.placement.nodes.includes(known)) this.seen.delete(known)
    if (before !== undefined && before.birth !== birth) this.use.gone(node.name, before.birth)
    if (before !== undefined && (before.birth !== birth || found < before.era)) this.onLost(node)
  }

  private endUntil(time: number): void {
    if (time <= this.note.endedBefore) return
    this.note.endedBefore = time
    this.onEnded()
  }

  /*
   * Servers that can't reach each other's nodes count on from the same era. Who had not heard that a node was away has compared sessions in
   * that era, or a later one, without it: so the node counts as away in a new one.
   */
  private join(theirs: Note): void {
    const { note } = this
    const known = note.era
    const next = Math.max(known, theirs.era) + 1
    note.era = next - 1
    for (const name of new Set([...note.awayAt.keys(), ...theirs.awayAt.keys()])) {
      const [here, there] = [note.awayAt.get(name) ?? 0, theirs.awayAt.get(name) ?? 0]
      if (here === there) continue
      const later = Math.max(here, there)
      const wasUnheard = (here < there ? known : theirs.era) >= later
      if (wasUnheard) note.era = next
      note.awayAt.set(name, wasUnheard ? next : later)
    }
    this.lastAway = Math.max(FIRST_ERA, ...note.awayAt.values())
    this.endUntil(theirs.endedBefore)
    this.use.join(theirs.used)
  }
}

function writeNote({ era, awayAt, endedBefore, used }: Note, birth: string): Buffer {
  const [eras, uses] = [Object.fromEntries(awayAt), Object.fromEntries(used)]
  return Buffer.from(JSON.stringify({ era, awayAt: eras, endedBefore, used: uses, birth }))
}

/** @returns `undefined` for what is no note: it is written anew. */
function readNote(bytes: Buffer): StoredNote | undefined {
  if (bytes.length > MAX_NOTE_BYTES) return undefined
  try {
    const { era, awayAt, endedBefore, used, birth } = JSON.parse(bytes.toString()) as Record<string, unknown>
    if (!isCount(era) || !isCount(endedBefore) || typeof birth !== 'string') return undefined
    return { era, endedBefore, birth, awayAt: countsOf(awayAt), used: countsOf(used) }
  } catch {
    return undefined
  }
}

function isSame(a: Note, b: Note): boolean {
  return a.era === b.era && a.endedBefore === b.endedBefore && areSame(a.awayAt, b.awayAt) && areSame(a.used, b.used)
}

function areSame(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([name, count]) => b.get(name) === count)
}

function countsOf(value: unknown): Map<string, number> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : []
  return new Map(entries.filter((entry): entry is [string, number] => isCount(entry[1])))
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 47
}
