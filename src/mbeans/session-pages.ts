import { setImmediate as nextTurn } from 'node:timers/promises'
import type { KnownSession } from '../local/copy-index.js'
import { SessionState } from '../local/session-state.js'
import { tokenDigest } from '../session-id/session-id.js'

/** One session in a list, as people may see it: named by its handle, without anything of its id or content. */
export interface SessionSummary {
  handle: string
  /** Where its first stored copy is, or belongs. `null`: nowhere. */
  node: string | null
  /** `null`: not in this server's memory, so it is not known here. */
  createdAt: Date | null
  accessedAt: Date
  /** `null`: never. */
  expiresAt: Date | null
  /** Bytes of its attributes; `null`: not in this server's memory. */
  bytes: number | null
  /** Requests on this server that use it now. */
  activeRequests: number
  /** Whether a storage node has its newest content. */
  saved: boolean
}

export interface SessionPage {
  total: number
  offset: number
  sessions: SessionSummary[]
}

/** `recorded`: as they came to this server; `accessed`: those used last first; `expires`: those that end first; `size`: the largest first. */
export type ListOrder = 'recorded' | 'accessed' | 'expires' | 'size'

export type Listed = SessionState | KnownSession

/** What the pages are made of. */
export interface PageSource {
  /** Sessions that are listed; the same may come twice. */
  all(): Iterable<Listed>
  readonly size: number
}

const MAX_SORTED = 100_000
/** Steps of work between two turns of the event loop: about a millisecond. */
const STEPS = 2000
/** What is sorted at once. */
const RUN = 500
/** What is summed up at once: a digest for each. */
const SUMMARIES = 100
/** What is not worth keeping. */
const SMALL = 1000
/** A long list serves so many times the time that it took to make: whoever asks again and again takes a tenth of the time at most. */
const SHARE = 10
const MAX_AGE = 1000

interface Keyed {
  readonly session: Listed
  readonly key: number
}

interface Snapshot {
  readonly sessions: Promise<readonly Keyed[]>
  /** Milliseconds; on the clock of `performance`. Until then it serves again. */
  freshUntil: number
}

/**
 * The sessions that this server knows, in pages. A list of many is made in slices, so that requests of visitors are served in between,
 * and serves for a moment whoever asks for the same order.
 */
export class SessionPages {
  private readonly source: PageSource
  private readonly pause: () => Promise<unknown>
  private readonly snapshots = new Map<ListOrder, Snapshot>()

  /** @param pause gives the event loop back. */
  constructor(source: PageSource, pause: () => Promise<unknown> = nextTurn) {
    this.source = source
    this.pause = pause
  }

  /** @throws {RangeError} when there are too many sessions to sort them. */
  async page(offset: number, limit: number, order: ListOrder): Promise<SessionPage> {
    if (this.source.size > MAX_SORTED) {
      if (order === 'recorded') return this.walkTo(offset, limit)
      throw new RangeError(`more than ${MAX_SORTED} sessions can't be sorted`)
    }
    const sessions = await this.inOrder(order)
    return { total: sessions.length, offset, sessions: await this.summarise(sessions.slice(offset, offset + limit)) }
  }

  /** For so many sessions that a list of them all would be a burden. */
  private async walkTo(offset: number, limit: number): Promise<SessionPage> {
    const found = new Map<string, Keyed>()
    let steps = 0
    for (const session of this.source.all()) {
      if (found.size >= limit) break
      if (steps++ >= offset && !found.has(session.token)) found.set(session.token, { session, key: 0 })
      if (steps % STEPS === 0) await this.pause()
    }
    return { total: this.source.size, offset, sessions: await this.summarise([...found.values()]) }
  }

  private async summarise(sessions: readonly Keyed[]): Promise<SessionSummary[]> {
    const summaries: SessionSummary[] = []
    for (const { session } of sessions) {
      summaries.push(summaryOf(session))
      if (summaries.length % SUMMARIES === 0) await this.pause()
    }
    return summaries
  }

  private inOrder(order: ListOrder): Promise<readonly Keyed[]> {
    const kept = this.snapshots.get(order)
    if (kept !== undefined && performance.now() < kept.freshUntil) return kept.sessions
    const snapshot: Snapshot = { sessions: this.make(order), freshUntil: Number.POSITIVE_INFINITY }
    this.snapshots.set(order, snapshot)
    const begun = performance.now()
    const end = (age: number): void => this.forgetLater(order, snapshot, age)
    snapshot.sessions.then(
      ({ length }) => end(length <= SMALL ? 0 : Math.min(MAX_AGE, SHARE * (performance.now() - begun))),
      () => end(0),
    )
    return snapshot.sessions
  }

  /* A list holds on to sessions that may have ended. */
  private forgetLater(order: ListOrder, snapshot: Snapshot, age: number): void {
    const forget = (): void => {
      if (this.snapshots.get(order) === snapshot) this.snapshots.delete(order)
    }
    snapshot.freshUntil = performance.now() + age
    if (age === 0) forget()
    else setTimeout(forget, age).unref()
  }

  private async make(order: ListOrder): Promise<readonly Keyed[]> {
    const found = await this.collect(keys[order])
    return order === 'recorded' ? found : sortInSlices(found, this.pause)
  }

  /*
   * The maps may change in a pause: what is moved to their end meanwhile comes twice. Keys are taken here, as they may change in a
   * pause, too.
   */
  private async collect(keyOf: (session: Listed) => number): Promise<Keyed[]> {
    const [found, tokens] = [[] as Keyed[], new Set<string>()]
    let steps = 0
    for (const session of this.source.all()) {
      if (!tokens.has(session.token)) found.push({ session, key: keyOf(session) })
      tokens.add(session.token)
      if (++steps % STEPS === 0) await this.pause()
    }
    return found
  }
}

/** What sessions are sorted by; the smallest comes first. */
const keys: Record<ListOrder, (session: Listed) => number> = {
  recorded: () => 0,
  accessed: (session) => -session.accessedAt,
  expires: (session) => session.expiresAt,
  size: (session) => -(bytesOf(session) ?? 0),
}

/** A merge sort that pauses. Equal ones keep their order. */
async function sortInSlices(sessions: readonly Keyed[], pause: () => Promise<unknown>): Promise<readonly Keyed[]> {
  let runs: Keyed[][] = []
  for (let at = 0; at < sessions.length; at += RUN) {
    runs.push(sessions.slice(at, at + RUN).sort((a, b) => compare(a.key, b.key)))
    await pause()
  }
  while (runs.length > 1) {
    const merged: Keyed[][] = []
    for (let at = 0; at < runs.length; at += 2) {
      merged.push(await merge(runs[at] as Keyed[], runs[at + 1] ?? [], pause))
    }
    runs = merged
  }
  return runs[0] ?? []
}

async function merge(first: Keyed[], second: Keyed[], pause: () => Promise<unknown>): Promise<Keyed[]> {
  if (second.length === 0) return first
  const merged: Keyed[] = []
  let [i, j] = [0, 0]
  while (i < first.length || j < second.length) {
    const [a, b] = [first[i], second[j]]
    if (a !== undefined && (b === undefined || compare(a.key, b.key) <= 0)) {
      merged.push(a)
      i++
    } else {
      merged.push(b as Keyed)
      j++
    }
    if (merged.length % STEPS === 0) await pause()
  }
  return merged
}

/** Infinity is equal to itself. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a - b
}

function bytesOf(session: Listed): number | null {
  return session instanceof SessionState ? session.attributes.section.length : null
}

function summaryOf(session: Listed): SessionSummary {
  const here = session instanceof SessionState ? session : undefined
  const node = session instanceof SessionState ? session.node : session.primary
  return {
    handle: tokenDigest(session.token).slice(0, 12),
    node: node?.name ?? null,
    createdAt: here === undefined ? null : new Date(here.createdAt),
    accessedAt: new Date(session.accessedAt),
    expiresAt: session.expiresAt === Number.POSITIVE_INFINITY ? null : new Date(session.expiresAt),
    bytes: bytesOf(session),
    activeRequests: here?.activeRequests ?? 0,
    saved: here?.isSaved ?? true,
  }
}
