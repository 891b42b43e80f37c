/** The decisions that a caller can take on an error of Holdfast: one code each, stable across releases. */
export type HoldfastErrorCode =
  | 'HOLDFAST_CONFIG'
  | 'HOLDFAST_NODE_UNREACHABLE'
  | 'HOLDFAST_NODE_REFUSED'
  | 'HOLDFAST_ITEM_TOO_LARGE'
  | 'HOLDFAST_UNREADABLE_RECORD'
  | 'HOLDFAST_UNSERIALIZABLE'
  | 'HOLDFAST_UNSTORABLE'
  | 'HOLDFAST_STORAGE_UNAVAILABLE'
  | 'HOLDFAST_TOO_MANY_SESSIONS'
  | 'HOLDFAST_TOO_MANY_NEWCOMERS'
  | 'HOLDFAST_SESSION_GONE'
  | 'HOLDFAST_END_NOT_STORED'
  | 'HOLDFAST_CONFLICT'
  | 'HOLDFAST_LOCK_TIMEOUT'
  | 'HOLDFAST_LOCK_LOST'
  | 'HOLDFAST_CLOSED'
  | 'HOLDFAST_PROTOCOL'
  | 'HOLDFAST_ADMIN'

/** Base of every error that Holdfast throws or passes on; `cause` keeps the foreign error where there was one. */
export class HoldfastError extends Error {
  readonly code: HoldfastErrorCode

  constructor(code: HoldfastErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** One thing that is wrong in a configuration: where, what stands there (redacted), what was expected. */
export interface ConfigProblem {
  path: string
  value: string
  expected: string
}

/** The configuration can't be used. Lists every problem, not only the first. */
export class ConfigError extends HoldfastError {
  readonly problems: readonly ConfigProblem[]

  constructor(source: string, problems: readonly ConfigProblem[], options?: { cause?: unknown }) {
    const lines = problems.map((p) => `  ${p.path}: ${p.value === '' ? '' : `got ${p.value}, `}expected ${p.expected}`)
    super('HOLDFAST_CONFIG', `${source} can't be used:\n${lines.join('\n')}`, options)
    this.problems = problems
  }
}

/**
 * A storage node gave no usable answer: refused, hung, closed, garbled. Whether an operation took effect
 * is unknown. Says something about the node's health.
 */
export class NodeUnreachableError extends HoldfastError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('HOLDFAST_NODE_UNREACHABLE', message, options)
  }
}

/**
 * How much of its work a storage node refuses: one operation, every write for now or as it is set up while it goes on to answer
 * reads, or everything that is asked in the name of this server.
 */
export type Refusal = 'operation' | 'writes' | 'everything'

/** A storage node answered, and its answer was an error status (out of memory, authentication, …). */
export class NodeRefusedError extends HoldfastError {
  readonly refuses: Refusal

  constructor(message: string, { refuses = 'operation', ...options }: { cause?: unknown; refuses?: Refusal } = {}) {
    super('HOLDFAST_NODE_REFUSED', message, options)
    this.refuses = refuses
  }
}

/** Whether that is the answer of a storage node that takes no writes and goes on to answer reads. */
export function refusesWrites(error: unknown): error is NodeRefusedError {
  return error instanceof NodeRefusedError && error.refuses === 'writes'
}

/** A key or value is larger than the node takes, or a session than `maxSessionBytes`. Found before anything is sent; the stored value is untouched. */
export class ItemTooLargeError extends HoldfastError {
  constructor(message: string) {
    super('HOLDFAST_ITEM_TOO_LARGE', message)
  }
}

/** Stored bytes are not a record that this version can read, or belong to another key. `reason` is one word for metrics. */
export class UnreadableRecordError extends HoldfastError {
  readonly reason: UnreadableReason

  constructor(reason: UnreadableReason, message: string, options?: { cause?: unknown }) {
    super('HOLDFAST_UNREADABLE_RECORD', message, options)
    this.reason = reason
  }
}

export type UnreadableReason =
  | 'truncated'
  | 'magic'
  | 'format'
  | 'checksum'
  | 'key'
  | 'layout'
  | 'codec'
  | 'value'
  | 'compression'
  | 'encryption'

/** An attribute's value can't be turned into bytes by its codec. */
export class UnserializableError extends HoldfastError {
  readonly attribute: string

  constructor(attribute: string, options?: { cause?: unknown }) {
    const cause = options?.cause
    const detail = cause instanceof Error ? `: ${cause.message}` : ''
    super(
      'HOLDFAST_UNSERIALIZABLE',
      `session attribute ${JSON.stringify(attribute)} can't be serialised${detail}`,
      options,
    )
    this.attribute = attribute
  }
}

/** An error with an HTTP status and headers, in the form that Express' error handling reads. */
export class HttpStatusError extends HoldfastError {
  readonly status: number
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly expose = true

  constructor(
    code: HoldfastErrorCode,
    status: number,
    message: string,
    retryAfterSeconds: number | undefined,
    options?: { cause?: unknown },
  ) {
    super(code, message, options)
    this.status = status
    this.statusCode = status
    this.headers = retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) }
  }
}

/** No storage node can be asked for a session that this server doesn't hold (503). */
export class StorageUnavailableError extends HttpStatusError {
  constructor(options?: { cause?: unknown }) {
    super(
      'HOLDFAST_STORAGE_UNAVAILABLE',
      503,
      'no storage node can be reached, and the session is not in this server',
      2,
      options,
    )
  }
}

/**
 * What was changed in a session can't be stored, now or later (500): the session has become too large, or one of its values can't be
 * serialised. `cause` says what and how much; the message is for whoever has sent the request.
 */
export class UnstorableError extends HttpStatusError {
  constructor(cause: Error) {
    const why = cause instanceof UnserializableError ? 'a value in it can not be serialised' : 'it is too large'
    super('HOLDFAST_UNSTORABLE', 500, `the session could not be stored: ${why}`, undefined, { cause })
  }
}

/** `maxActiveSessions` is reached: no new session on this server for now (503). */
export class TooManySessionsError extends HttpStatusError {
  constructor(limit: number) {
    super('HOLDFAST_TOO_MANY_SESSIONS', 503, `this server holds its maximum of ${limit} sessions`, 10)
  }
}

/** More sessions of new visitors than `newcomers.perSecond` would begin: no new session on this server for now (503). */
export class TooManyNewcomersError extends HttpStatusError {
  constructor(limit: number) {
    super(
      'HOLDFAST_TOO_MANY_NEWCOMERS',
      503,
      `no more than ${limit} sessions of new visitors begin here in a second`,
      1,
    )
  }
}

/** The session was destroyed, expired or can't be found any more. */
export class SessionGoneError extends HoldfastError {
  constructor(message = 'failed to load session: it does not exist any more') {
    super('HOLDFAST_SESSION_GONE', message)
  }
}

/**
 * A session was ended, and some storage node has not taken the end (503): there it may come back until that node answers. The end is kept
 * and written then, as long as this process runs.
 */
export class EndNotStoredError extends HttpStatusError {
  constructor() {
    super(
      'HOLDFAST_END_NOT_STORED',
      503,
      'the session was ended, but not every storage node has taken that yet: until then it may come back from such a node',
      2,
    )
  }
}

/** Writers kept overtaking each other: the bounded number of attempts was used up. */
export class ConflictError extends HoldfastError {
  constructor(message: string) {
    super('HOLDFAST_CONFLICT', message)
  }
}

/** The session's lock could not be had in time: other requests of the session hold it or wait for it (503). */
export class LockTimeoutError extends HttpStatusError {
  constructor(reason: string) {
    super('HOLDFAST_LOCK_TIMEOUT', 503, `the session is locked: ${reason}`, 1)
  }
}

/** A lock that was held is held no more: it could not be renewed in time, or was removed. */
export class LockLostError extends HttpStatusError {
  constructor(what: string) {
    super('HOLDFAST_LOCK_LOST', 503, what, 1)
  }
}

/** The session manager was closed: the server is about to stop (503). */
export class ShutDownError extends HttpStatusError {
  constructor() {
    super('HOLDFAST_CLOSED', 503, 'the session manager is closed: this server is shutting down', 1)
  }
}

/** The manager, node or queue was closed. */
export class ClosedError extends HoldfastError {
  constructor(what: string) {
    super('HOLDFAST_CLOSED', `${what} is closed`)
  }
}

/** A peer sent something that the protocol doesn't allow. */
export class ProtocolError extends HoldfastError {
  constructor(message: string) {
    super('HOLDFAST_PROTOCOL', message)
  }
}

/**
 * Why the administration does not do what was asked: the request itself is wrong, or names what is not there, or gives a
 * value out of range, or is not allowed, or takes too long.
 */
export type AdminRefusal =
  | 'bad-request'
  | 'unknown-mbean'
  | 'unknown-attribute'
  | 'unknown-operation'
  | 'illegal-argument'
  | 'forbidden'
  | 'timeout'

/** A request to the administration that is not done; `reason` decides on the answer's status. */
export class AdminRequestError extends HoldfastError {
  readonly reason: AdminRefusal

  constructor(reason: AdminRefusal, message: string, options?: { cause?: unknown }) {
    super('HOLDFAST_ADMIN', message, options)
    this.reason = reason
  }
}
