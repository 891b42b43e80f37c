import type { SessionState } from '../local/session-state.js'
import { within } from '../manager/context/within.js'
import type { SessionManager } from '../manager/session-manager.js'
import {
  cookieSettings,
  endOf,
  isObject,
  payloadOf,
  replaceAttributes,
  type Snapshot,
  type StorePayload,
  snapshotOf,
} from './payload.js'
import { readStoreId, type StoreId } from './store-id.js'

/** How long a late write to a session that was destroyed before anybody stored it is refused here, in milliseconds. */
const REMEMBER_ENDED = 60_000
/** Sessions that `clear` ends at a time. */
const CLEAR_BATCH = 50

interface Base {
  /** Of which session. */
  token: string
  snapshot: Snapshot
}

/** What a store does, on the live sessions of this server. */
export class StoreSessions {
  private readonly manager: SessionManager
  /**
   * How the attributes of a payload were when it was handed out: what was changed since is the caller's change. Also under the objects
   * in it, which libraries put into payloads of their own.
   */
  private readonly handedOut = new WeakMap<object, Base>()

  constructor(manager: SessionManager) {
    this.manager = manager
  }

  /** @throws StorageUnavailableError */
  async get(sid: string): Promise<StorePayload | undefined> {
    const state = await this.find(readStoreId(sid, this.manager.context))
    return state === undefined ? undefined : this.handOut(state)
  }

  /**
   * Resolves when a storage node has it, or after `backup.timeout`. A session that was ended does not come back by this.
   * @throws StorageUnavailableError, TooManySessionsError
   */
  async set(sid: string, payload: StorePayload): Promise<void> {
    const id = readStoreId(sid, this.manager.context)
    if (typeof payload !== 'object' || payload === null) throw new TypeError('a session must be an object')
    const found = await this.find(id)
    /* From here to the commit nothing is waited for: two first writes of one session meet in one state. */
    const { context } = this.manager
    const now = context.clock.now()
    const keepsCookie = id.kind === 'foreign' || keepsForeignCookie(found)
    const end = keepsCookie ? endOf(payload, now) : undefined
    if (end !== undefined && end <= now) {
      if (found !== undefined) this.manager.expire(found)
      return
    }
    const state = found ?? this.begin(id)
    if (state === undefined) return this.reportLate()
    if (state.phase === 'new') this.manager.admit(state)
    if (keepsCookie) this.manager.setDeadline(state, end)
    this.write(state, payload, keepsCookie)
    if (!(await within(this.manager.context.clock, this.manager.stored(state), this.manager.storeTimeout))) {
      context.statistics.count('backupTimeouts')
    }
  }

  /** Prolongs a session that there is. @throws StorageUnavailableError */
  async touch(sid: string, payload: StorePayload | undefined): Promise<void> {
    const { context } = this.manager
    const id = readStoreId(sid, context)
    const state = this.findHere(id) ?? (await this.find(id))
    if (state === undefined) return
    this.manager.touch(state)
    const end = payload && keepsForeignCookie(state) ? endOf(payload, context.clock.now()) : undefined
    if (end !== undefined && end > state.absoluteDeadline) this.manager.setDeadline(state, end)
  }

  /** Resolves when the storage has answered. @throws StorageUnavailableError */
  async destroy(sid: string): Promise<void> {
    const { context } = this.manager
    const id = readStoreId(sid, context)
    if (id.kind === 'own') {
      const state = await this.manager.open(id.id)
      if (state !== undefined) await this.manager.destroy(state)
      return
    }
    for (const token of id.tokens) {
      const state = await this.findToEnd(token)
      if (state === undefined) context.ended.add(token, context.clock.now() + REMEMBER_ENDED)
      else await this.manager.destroy(state)
    }
  }

  /** The sessions in this server's memory, with their `id`, which is not among the enumerable properties. */
  all(): StorePayload[] {
    const { local, clock } = this.manager.context
    const states = [...local.values()].filter((state) => state.expiresAt > clock.now())
    return states.map((state) => Object.defineProperty(this.handOut(state), 'id', { value: state.id }))
  }

  get size(): number {
    return this.manager.context.local.size
  }

  /** Ends the sessions in this server's memory, everywhere. */
  async clear(): Promise<void> {
    const states = [...this.manager.context.local.values()]
    for (let i = 0; i < states.length; i += CLEAR_BATCH) {
      await Promise.all(states.slice(i, i + CLEAR_BATCH).map((state) => this.manager.destroy(state)))
    }
  }

  /** Another object stands for a payload that was handed out. */
  passOn(payload: object, successor: object): void {
    const base = this.handedOut.get(payload)
    if (base !== undefined) this.handedOut.set(successor, base)
  }

  private async find(id: StoreId): Promise<SessionState | undefined> {
    if (id.kind === 'own') return this.manager.open(id.id)
    for (const token of id.tokens) {
      const state = await this.manager.openShared(token)
      if (state !== undefined) return state
    }
    return undefined
  }

  /* To prolong a session its content need not be compared first. */
  private findHere(id: StoreId): SessionState | undefined {
    const [token] = id.kind === 'foreign' ? id.tokens : []
    return token === undefined ? undefined : this.manager.context.local.get(token)
  }

  private async findToEnd(token: string): Promise<SessionState | undefined> {
    try {
      return await this.manager.openShared(token)
    } catch (error) {
      const here = this.manager.context.local.get(token)
      if (here === undefined) throw error
      return here
    }
  }

  /** A session for a library's id that leads nowhere. `undefined`: it was ended, or would be an id of ours that was not issued now. */
  private begin(id: StoreId): SessionState | undefined {
    if (id.kind === 'own') return undefined
    const { ended, clock, local } = this.manager.context
    if (id.tokens.some((token) => ended.has(token, clock.now()))) return undefined
    const token = id.tokens[0] as string
    return local.get(token) ?? this.manager.createAs(token)
  }

  private write(state: SessionState, payload: StorePayload, keepsCookie: boolean): void {
    const { settings, rules } = this.manager.context
    const base = this.baseOf(payload, state)
    const written = replaceAttributes(state.attributes, payload, keepsCookie, base, rules)
    this.remember(payload, state, written)
    this.manager.commit(state, [], keepsCookie ? undefined : cookieSettings(state, payload, settings.cookie))
    /* An empty session is one too. */
    this.manager.initialize(state)
    this.compact(state)
  }

  private handOut(state: SessionState): StorePayload {
    const { rules, settings } = this.manager.context
    const snapshot = snapshotOf(state.attributes, rules)
    const payload = payloadOf(state, snapshot, rules, settings.cookie)
    this.remember(payload, state, snapshot)
    this.compact(state)
    return payload
  }

  private remember(payload: StorePayload, { token }: SessionState, snapshot: Snapshot): void {
    const base = { token, snapshot }
    this.handedOut.set(payload, base)
    for (const value of Object.values(payload)) if (isObject(value)) this.handedOut.set(value, base)
  }

  /* What was handed out for one session is news for another. */
  private baseOf(payload: StorePayload, { token }: SessionState): Snapshot | undefined {
    for (const object of [payload, ...Object.values(payload)]) {
      const base = isObject(object) ? this.handedOut.get(object) : undefined
      if (base?.token === token) return base.snapshot
    }
    return undefined
  }

  private compact(state: SessionState): void {
    if (state.activeRequests === 0) state.attributes.compact()
  }

  private reportLate(): void {
    const { log, settings } = this.manager.context
    log.write('late store write', 'a store wrote to a session that has ended: it stays so', (m) =>
      settings.logger.info(m),
    )
  }
}

/* As sessions of visitors have no attribute of that name, one that has it was made through a store. */
function keepsForeignCookie(state: SessionState | undefined): boolean {
  return state?.attributes.has('cookie') === true
}
