import { inspect } from 'node:util'
import { SessionGoneError } from '../errors.js'
import { type Attribute, type AttributeRules, type Attributes, decodedValue } from './attributes.js'
import type { SessionCookie } from './session-cookie.js'

/** Attributes that an application keeps in its sessions: augment this interface to type `req.session`. */
// biome-ignore lint/suspicious/noEmptyInterface: made to be augmented
export interface SessionData {}

/** Callback in Node's style; the error comes first. */
export type Done = (error?: unknown) => void

/** What stands behind a session object: one request's or job's use of a session. */
export interface SessionHost {
  /** The id as it stands in the cookie now. */
  readonly id: string
  readonly req: unknown
  readonly cookie: SessionCookie
  readonly rules: AttributeRules
  readonly expiresAt: Date | undefined
  /** `undefined`: there is no session yet, so there are no attributes. */
  attributesToRead(): Attributes | undefined
  /** Makes the session when there is none yet. @throws TooManySessionsError */
  attributesToWrite(): Attributes
  /** An attribute is about to be assigned or removed. */
  changing(name: string): void
  /** A value that can be changed inside was given to the application. */
  handOut(attribute: Attribute): void
  /** An attribute's stored bytes can't be read. */
  unreadable(attribute: Attribute, error: unknown): void
  save(): Promise<void>
  reload(): Promise<void>
  destroy(options: DestroyOptions): Promise<void>
  regenerate(options: RegenerateOptions): Promise<void>
  touch(): void
  passive(): void
  /** @throws TypeError, SessionGoneError, StorageUnavailableError */
  renewId(): Promise<void>
  /** @throws LockTimeoutError, SessionGoneError */
  lock(): Promise<SessionLock>
  unlock(): Promise<void>
}

/** A session's lock in the application's hands. */
export interface SessionLock {
  /** Aborted when the lock was lost, because it could not be renewed in time. */
  readonly signal: AbortSignal
  /**
   * Stores what was changed, then lets the next one in. Idempotent.
   * @throws LockLostError when somebody else has changed the same since it was read under the lock: then nothing of it counts.
   */
  release(): Promise<void>
}

export interface DestroyOptions {
  /** Rejects when some storage node has not taken the end. Default false: it is written there as soon as that is possible. */
  durable?: boolean
}

export interface RegenerateOptions {
  /** Keep the attributes under the new id. Default false. */
  keep?: boolean
}

/* The same for all copies of the package that a program may have loaded. */
const HOST = Symbol.for('holdfast.session')

/** Names that mean something on a session object itself; stored attributes of these names are not visible. */
const reserved: ReadonlySet<string> = new Set([
  'id',
  'req',
  'cookie',
  'save',
  'reload',
  'destroy',
  'regenerate',
  'touch',
  'lock',
  'unlock',
  'resetMaxAge',
  'passive',
  'renewId',
  'expiresAt',
  '__proto__',
])

/**
 * `req.session`. Attributes are plain properties; the methods stand on the prototype and take a callback or return
 * a promise. Made by `createSession`.
 */
export class Session {
  readonly [HOST]: SessionHost

  constructor(host: SessionHost) {
    this[HOST] = host
  }

  /** The session's id, as it stands in the cookie. */
  get id(): string {
    return (this[HOST] as SessionHost | undefined)?.id as string
  }

  get req(): unknown {
    return (this[HOST] as SessionHost | undefined)?.req
  }

  get cookie(): SessionCookie {
    return (this[HOST] as SessionHost | undefined)?.cookie as SessionCookie
  }

  /**
   * Stores the session now instead of at the end of the response. Resolves when a storage node has it, or after
   * `backup.timeout`: from then on it is kept in memory and stored in the background.
   */
  save(): Promise<void>
  save(done: Done): this
  save(done?: Done): this | Promise<void> {
    return settle(this, hostOf(this).save(), done)
  }

  /** Reads the session anew from the server's memory or the storage, dropping changes that were not saved. @throws SessionGoneError */
  reload(): Promise<void>
  reload(done: Done): this
  reload(done?: Done): this | Promise<void> {
    return settle(this, hostOf(this).reload(), done)
  }

  /**
   * Ends the session everywhere; waits for the storage's answer.
   * @throws EndNotStoredError with `durable`, when some storage node has not taken the end.
   */
  destroy(options?: DestroyOptions): Promise<void>
  destroy(done: Done): this
  destroy(options: DestroyOptions, done: Done): this
  /* The default keeps the second argument out of the method's length, as on `regenerate`. */
  destroy(first?: DestroyOptions | Done, second: Done | undefined = undefined): this | Promise<void> {
    const options = typeof first === 'object' && first !== null ? first : {}
    const done = typeof first === 'function' ? first : second
    return settle(this, hostOf(this).destroy(options), done)
  }

  /** Ends the session everywhere and begins a new one with a new id; waits for the storage's answer. */
  regenerate(options?: RegenerateOptions): Promise<void>
  regenerate(done: Done): this
  regenerate(options: RegenerateOptions, done: Done): this
  /* The default keeps the second argument out of the method's length, which is 1 as on every other of these methods. */
  regenerate(first?: RegenerateOptions | Done, second: Done | undefined = undefined): this | Promise<void> {
    const options = typeof first === 'object' && first !== null ? first : {}
    const done = typeof first === 'function' ? first : second
    return settle(this, hostOf(this).regenerate(options), done)
  }

  /**
   * Gives the session another id, and keeps everything else; the response tells it. Requests that come with the old id are led to the session
   * for 10 seconds, never after `regenerate()`. It limits how long a stolen id is of use; at a login `regenerate()` is needed.
   * @throws TypeError outside of a request, or when the response has begun; SessionGoneError; StorageUnavailableError (503) when no storage
   * node takes it: then the session keeps its id.
   */
  renewId(): Promise<void>
  renewId(done: Done): this
  renewId(done?: Done): this | Promise<void> {
    return settle(this, hostOf(this).renewId(), done)
  }

  /**
   * Waits until no other request has the session's lock (`locking` configures for how long), then reads what others have stored
   * meanwhile. With `work` the lock is held as long as that takes, and what it changed is stored before the lock goes; without, until
   * `release()`, at the latest until the end of the response.
   * @throws LockTimeoutError (503), SessionGoneError; LockLostError (503) when the lock did not hold and somebody else has changed the same:
   * then nothing counts of what was changed under it.
   */
  lock(): Promise<SessionLock>
  lock<T>(work: () => T | Promise<T>): Promise<T>
  async lock<T>(work?: () => T | Promise<T>): Promise<T | SessionLock> {
    const hold = await hostOf(this).lock()
    if (work === undefined) return hold
    try {
      return await work()
    } finally {
      await hold.release()
    }
  }

  /**
   * Gives the lock back that this request has, before its response ends: for streams and long polls. What was changed is stored first;
   * what is changed afterwards is joined as without locks. Without a lock, nothing happens.
   * @throws LockLostError (503): see `lock`.
   */
  unlock(): Promise<void>
  unlock(done: Done): this
  unlock(done?: Done): this | Promise<void> {
    return settle(this, hostOf(this).unlock(), done)
  }

  /** Counts as a use of the session now. */
  touch(): this {
    hostOf(this).touch()
    return this
  }

  /**
   * When the session ends if nobody uses it any more, so that a page can warn; `undefined`: never, or there is no session yet. With the
   * setting `activity` a request that is no use of it sees the end that others have left.
   */
  get expiresAt(): Date | undefined {
    return (this[HOST] as SessionHost | undefined)?.expiresAt
  }

  /**
   * This request does not count as a use of the session: its end and its cookie stay as they are. What it changes is stored. To be
   * called before the response ends. Outside of a request it does nothing.
   * @throws TypeError without the setting `activity`
   */
  passive(): this {
    hostOf(this).passive()
    return this
  }

  /** Begins the cookie's age anew. */
  resetMaxAge(): this {
    hostOf(this).cookie.resetMaxAge()
    return this
  }

  [inspect.custom](): unknown {
    return { ...this }
  }
}

/* Libraries make copies by assigning to a new object of this prototype: there these are plain properties. */
for (const [name, enumerable] of [
  ['id', false],
  ['req', false],
  ['cookie', true],
] as const) {
  const { get } = Object.getOwnPropertyDescriptor(Session.prototype, name) as PropertyDescriptor
  const set = function (this: object, value: unknown) {
    define(this, name, value, enumerable)
  }
  Object.defineProperty(Session.prototype, name, { get: get as () => unknown, set, configurable: true })
}

/** The attributes of type `T` beside the methods. */
export type SessionWith<T> = Session & Partial<T>

/** A session object over `host`, which behaves as a plain object whose own properties are the attributes. */
export function createSession(host: SessionHost): Session & Partial<SessionData> {
  return new Proxy(new Session(host), handler)
}

/**
 * The session of a request, with attributes of type `T`: where no declaration covers the request (connect, node:http), or
 * applications with different attributes share one program.
 * @throws SessionGoneError when the request has none: its URL needs none, or the session was destroyed.
 */
export function sessionOf<T>(req: object): SessionWith<T> {
  const { session } = req as { session?: unknown }
  if (hasHost(session)) return session as SessionWith<T>
  throw new SessionGoneError('this request has no session')
}

/** Whether it is a session object that `createSession` made, of whichever copy of the package. */
export function hasHost(session: unknown): session is Session {
  return typeof session === 'object' && session !== null && HOST in session
}

/** The host behind a session object that `createSession` made. @throws TypeError for a copy of one. */
export function hostOf(session: Session): SessionHost {
  const host: SessionHost | undefined = session[HOST]
  if (host === undefined) throw new TypeError('this is a copy of a session, with its attributes only: use req.session')
  return host
}

function define(object: object, name: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(object, name, { value, enumerable, configurable: true, writable: true })
}

function settle(session: Session, work: Promise<void>, done: Done | undefined) {
  if (typeof done !== 'function') {
    /* Who neither waits nor takes a callback, as many do with `save()`, must not bring the process down. */
    work.catch(() => {})
    return work
  }
  work.then(() => done(), done)
  return session as never
}

function isAttributeName(name: string | symbol): name is string {
  return typeof name === 'string' && !reserved.has(name)
}

/* Own properties that are neither enumerable nor writable; to list them with the keys would cost each spread a look-up. */
function isReadOnly(name: string | symbol): name is 'id' | 'req' {
  return name === 'id' || name === 'req'
}

function assign(host: SessionHost, name: string, value: unknown): void {
  const attributes = host.attributesToWrite()
  host.changing(name)
  const attribute = attributes.set(name, value)
  if (typeof value === 'object' && value !== null) host.handOut(attribute)
}

function read(host: SessionHost, attribute: Attribute): unknown {
  let value: unknown
  try {
    value = decodedValue(attribute, host.rules)
  } catch (error) {
    host.unreadable(attribute, error)
    return undefined
  }
  if ((typeof value === 'object' && value !== null) || typeof value === 'function') host.handOut(attribute)
  return value
}

/* One handler for all sessions: it finds the session through the target. */
const handler: ProxyHandler<Session> = {
  get(target, name, receiver) {
    if (!isAttributeName(name)) return Reflect.get(target, name, receiver)
    const host = target[HOST]
    const attribute = host.attributesToRead()?.get(name)
    if (attribute !== undefined) return read(host, attribute)
    return Reflect.get(target, name, receiver)
  },

  set(target, name, value) {
    if (name === 'cookie') {
      if (typeof value === 'object' && value !== null) copyCookie(target[HOST].cookie, value)
      return true
    }
    if (name === '__proto__') return true
    if (isReadOnly(name) || name === 'expiresAt') return false
    if (typeof name === 'symbol') return Reflect.set(target, name, value)
    if (!isAttributeName(name)) {
      /* A method that somebody has put something around. */
      define(target, name, value, false)
      return true
    }
    assign(target[HOST], name, value)
    return true
  },

  has(target, name) {
    if (isAttributeName(name) && target[HOST].attributesToRead()?.has(name)) return true
    return Reflect.has(target, name)
  },

  deleteProperty(target, name) {
    if (isReadOnly(name)) return false
    const attributes = isAttributeName(name) ? target[HOST].attributesToRead() : undefined
    if (isAttributeName(name) && (attributes?.isUncertain || attributes?.has(name))) {
      target[HOST].attributesToWrite().delete(name)
      target[HOST].changing(name)
      return true
    }
    return Reflect.deleteProperty(target, name)
  },

  ownKeys(target) {
    const names = target[HOST].attributesToRead()?.names() ?? []
    const own = Reflect.ownKeys(target).filter((name) => name !== HOST)
    return ['cookie', ...names.filter((name) => !reserved.has(name)), ...own]
  },

  getOwnPropertyDescriptor(target, name) {
    if (name === 'cookie') {
      return { value: target[HOST].cookie, enumerable: true, configurable: true, writable: true }
    }
    if (isReadOnly(name)) return { value: target[name], enumerable: false, configurable: true, writable: false }
    if (!isAttributeName(name)) return Reflect.getOwnPropertyDescriptor(target, name)
    const host = target[HOST]
    const attribute = host.attributesToRead()?.get(name)
    if (attribute === undefined) return Reflect.getOwnPropertyDescriptor(target, name)
    return { value: read(host, attribute), enumerable: true, configurable: true, writable: true }
  },

  defineProperty(target, name, descriptor) {
    if (name === 'cookie' || name === '__proto__' || isReadOnly(name)) return false
    if (!isAttributeName(name)) return Reflect.defineProperty(target, name, descriptor)
    if (descriptor.get !== undefined || descriptor.set !== undefined) return false
    assign(target[HOST], name, descriptor.value)
    return true
  },

  setPrototypeOf: () => false,
  preventExtensions: () => false,
}

/* `session.cookie = {…}`, as when one session's properties are copied to another: the settings count, not the object. */
function copyCookie(cookie: SessionCookie, from: Partial<SessionCookie>): void {
  const { path, domain, httpOnly, secure, sameSite, partitioned, priority } = from
  const given = { path, domain, httpOnly, secure, sameSite, partitioned, priority }
  for (const [name, value] of Object.entries(given)) if (value !== undefined) Object.assign(cookie, { [name]: value })
  const age = from.originalMaxAge === undefined ? from.maxAge : from.originalMaxAge
  if (age !== undefined) cookie.maxAge = age
}
