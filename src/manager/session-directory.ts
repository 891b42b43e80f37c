import { setImmediate as pause } from 'node:timers/promises'
import type { KnownSession } from '../local/copy-index.js'
import type { SessionState } from '../local/session-state.js'
import {
  type AttributeSection,
  decodeSection,
  type EncodedAttribute,
  findInSection,
  latestChange,
} from '../record/attribute-section.js'
import { decodeAttribute } from '../session/attributes.js'
import { tokenDigest } from '../session-id/session-id.js'
import type { ManagerContext } from './context/manager-context.js'
import type { SessionMode } from './session-mode.js'
import type { RecordStore } from './stored/record-store.js'
import { type LookUp, lookUp } from './stored/session-look-up.js'

/** What is known of one session, without the values of its attributes. */
export interface SessionDetail {
  handle: string
  /** The time of its latest change, by the stamps. */
  changedAt: Date
  /** Route of the server whose copy counts; a process' own name where there are no routes. */
  owner: string
  createdAt: Date
  accessedAt: Date
  /** `null`: never. */
  expiresAt: Date | null
  /** Milliseconds; 0: none. */
  idleTimeout: number
  /** `null`: none. */
  absoluteDeadline: Date | null
  /** Stored copies with the time of the latest change that each has; the latest first. */
  copies: { node: string; changedAt: Date }[]
  saved: boolean
  activeRequests: number
  /** Bytes of all attributes. */
  bytes: number
  attributes: { name: string; codec: string; bytes: number }[]
}

/** What the directory asks of the sessions' owner. */
export interface DirectoryParts {
  readonly context: ManagerContext
  readonly storage: RecordStore
  readonly isClosed: boolean
  readonly currentMode: SessionMode
}

/** Digests made between two pauses: one costs about a microsecond, and the event loop belongs to the requests. */
const MAX_DIGESTS = 500
/** Sessions looked at between two pauses. */
const MAX_LOOKED = 5000
/** Sessions that are ended at once. */
const BATCH = 64

/** The sessions that this server knows, for operators. */
export class SessionDirectory {
  private readonly parts: DirectoryParts
  private ending: Promise<number> | undefined

  constructor(parts: DirectoryParts) {
    this.parts = parts
  }

  get size(): number {
    const { known } = this.parts.currentMode
    const { local } = this.parts.context
    if (known === undefined) return local.size
    let size = known.size
    for (const { token } of local.values()) if (!known.has(token)) size++
    return size
  }

  /** @returns `undefined` when this server knows no session of that handle. @throws StorageUnavailableError */
  async describe(handle: string): Promise<SessionDetail | undefined> {
    const found = await this.contentOf(handle)
    if (found === undefined) return undefined
    const { section, ...detail } = found
    const attributes = decodeSection(section).map(({ name, codec, bytes }) => ({ name, codec, bytes: bytes.length }))
    return { ...detail, bytes: section.length, attributes }
  }

  /**
   * The stored value of one attribute.
   * @returns `undefined` when there is no such session or attribute. @throws StorageUnavailableError, and what the codec throws.
   */
  async valueOf(handle: string, attribute: string): Promise<{ value: unknown } | undefined> {
    const found = await this.contentOf(handle)
    const encoded: EncodedAttribute | undefined = found && findInSection(found.section, attribute)
    return encoded && { value: decodeAttribute(encoded, this.parts.context.rules) }
  }

  /** Ends a session on all servers. @returns whether there was one. @throws StorageUnavailableError */
  destroy(handle: string): Promise<boolean> {
    return this.end(handle, (state) => this.parts.currentMode.destroy(state))
  }

  /** The same, as if its time were over. */
  expire(handle: string): Promise<boolean> {
    return this.end(handle, (state) => this.parts.currentMode.expireEarly(state))
  }

  /** Ends every session that this server knows now. @returns how many there were. */
  destroyAll(): Promise<number> {
    this.ending ??= this.endEach().finally(() => {
      this.ending = undefined
    })
    return this.ending
  }

  /** Those in memory, and those in the storage that the server remembers; one that moves meanwhile may come twice. */
  *all(): Generator<SessionState | KnownSession> {
    const { local } = this.parts.context
    yield* local.values()
    for (const known of this.parts.currentMode.known?.values() ?? []) {
      if (local.get(known.token) === undefined) yield known
    }
  }

  /* The map may change while the search pauses: what is added is seen, what is removed is not. */
  private async find(handle: string): Promise<string | undefined> {
    let looked = 0
    for (const { token } of this.all()) {
      if (handleOf(token) === handle) return token
      if (++looked % MAX_DIGESTS === 0) await pause()
    }
    return undefined
  }

  /* What is only remembered is bounded in number; what is in memory is not. */
  private async tokens(): Promise<string[]> {
    const { local, clock } = this.parts.context
    const calledAt = clock.now()
    const remembered = Array.from(this.parts.currentMode.known?.values() ?? [], ({ token }) => token)
    const tokens: string[] = []
    let looked = 0
    for (const { token, createdAt } of local.values()) {
      if (createdAt <= calledAt) tokens.push(token)
      if (++looked % MAX_LOOKED === 0) await pause()
    }
    for (const token of remembered) if (local.get(token) === undefined) tokens.push(token)
    return tokens
  }

  private async contentOf(handle: string) {
    const token = await this.find(handle)
    if (token === undefined) return undefined
    const state = this.parts.context.local.get(token)
    const isHere = state !== undefined && this.parts.currentMode.known === undefined
    if (isHere) return this.contentHere(state)
    return (await this.contentInStorage(token, state?.activeRequests ?? 0)) ?? (state && this.contentHere(state))
  }

  private contentHere(state: SessionState) {
    const { storedCopy: backup } = state
    return {
      handle: state.handle,
      changedAt: new Date(state.changedAt),
      owner: this.parts.context.owner,
      ...timesOf(state),
      copies: backup?.section === undefined ? [] : [{ node: backup.node.name, changedAt: changeOf(backup.section) }],
      saved: state.isSaved,
      activeRequests: state.activeRequests,
      section: state.section,
    }
  }

  /* A look does not count as a use: the life of the session stays as it is. */
  private async contentInStorage(token: string, activeRequests: number) {
    const { storage, context } = this.parts
    const copies = await lookUp(storage, context.placement.readable(token), storage.key(tokenDigest(token)))
    const newest = copies.sessions[0]?.record
    if (copies.tombstone || newest === undefined) return undefined
    const { accessedAt } = context.local.get(token) ?? this.parts.currentMode.known?.get(token) ?? newest
    const section: AttributeSection = newest.attributes
    return {
      handle: handleOf(token),
      changedAt: changeOf(section),
      owner: newest.owner,
      ...timesOf({ ...newest, accessedAt: Math.max(accessedAt, newest.accessedAt) }),
      copies: copiesIn(copies),
      saved: true,
      activeRequests,
      section,
    }
  }

  private async end(handle: string, end: (state: SessionState) => Promise<unknown>): Promise<boolean> {
    const token = await this.find(handle)
    return token === undefined ? false : this.endOne(token, end)
  }

  private async endOne(token: string, end: (state: SessionState) => Promise<unknown>): Promise<boolean> {
    const { context, currentMode } = this.parts
    const here = context.local.get(token)
    const state = currentMode.known === undefined ? here : ((await currentMode.openShared(token)) ?? here)
    if (state === undefined || state.phase === 'ended') return false
    await end(state)
    return true
  }

  /* Those that begin meanwhile stay. */
  private async endEach(): Promise<number> {
    const tokens = await this.tokens()
    let ended = 0
    for (let at = 0; at < tokens.length && !this.parts.isClosed; at += BATCH) {
      const batch = tokens.slice(at, at + BATCH)
      const end = (state: SessionState) => this.parts.currentMode.destroy(state)
      const results = await Promise.allSettled(batch.map((token) => this.endOne(token, end)))
      ended += results.filter((result) => result.status === 'fulfilled' && result.value).length
      await pause()
    }
    return ended
  }
}

function handleOf(token: string): string {
  return tokenDigest(token).slice(0, 12)
}

interface Times {
  createdAt: number
  accessedAt: number
  idleTimeout: number
  absoluteDeadline: number
}

function timesOf({ createdAt, accessedAt, idleTimeout, absoluteDeadline }: Times) {
  const idle = idleTimeout === 0 ? Number.POSITIVE_INFINITY : accessedAt + idleTimeout
  const end = absoluteDeadline === 0 ? idle : Math.min(idle, absoluteDeadline)
  return {
    createdAt: new Date(createdAt),
    accessedAt: new Date(accessedAt),
    expiresAt: dateOrNone(end),
    idleTimeout,
    absoluteDeadline: absoluteDeadline === 0 ? null : new Date(absoluteDeadline),
  }
}

function dateOrNone(time: number): Date | null {
  return time === Number.POSITIVE_INFINITY ? null : new Date(time)
}

function changeOf(section: AttributeSection): Date {
  return new Date(latestChange(section))
}

function copiesIn({ sessions }: LookUp): SessionDetail['copies'] {
  return sessions.map(({ node, record }) => ({ node: node.name, changedAt: changeOf(record.attributes) }))
}
