import type { ServerFigures } from './server-figures.js'

/**
 * What a node says about the state of a stored value at one moment. Opaque to callers: it is handed back to
 * the same node to make a write or a removal conditional. A node that can no longer vouch for a fence (its
 * connection was replaced, say) treats it as one that doesn't match.
 */
export type Fence = object

export interface StoredValue {
  bytes: Buffer
  fence: Fence
}

/**
 * What a write must find to take effect:
 * `'absent'`: no value under the key. A fence: exactly the value that the fence was read or written with.
 * `'any'`: whatever is there is replaced.
 */
export type Expected = Fence | 'absent' | 'any'

/** `stored: false` is a refusal by the fence, not an error; the caller reads again to see what is there. */
export type PutResult = { stored: true; fence: Fence; shortfall?: ReplicaShortfall } | { stored: false }

/** The write was stored, and fewer replicas than wanted have told in time that they have it. */
export interface ReplicaShortfall {
  acknowledged: number
  wanted: number
}

export interface PutOptions {
  /** Waits for replicas where the node is set up for that (`wait`); others ignore it. Default `false`. */
  durable?: boolean
}

/** How a cached read keeps the value alive on the server. */
export interface Renewal {
  /** When the value is to expire, as a deadline. */
  to: number
  /** Milliseconds that the expiry may be earlier than that: only beyond them it is moved. */
  slack: number
}

/** What a node keeps in this process' memory. */
export interface NearCacheFigures {
  entries: number
  /** With what stands around the values. */
  bytes: number
  /** Whether the server tells what changes at present; if not, everything is read from it. */
  tracking: boolean
  /** Why not, for people. */
  problem: string | undefined
}

/**
 * One storage server. Moves bytes under keys and knows nothing of sessions.
 *
 * Outcomes, the same for every implementation:
 * - absent or expired: a value (`undefined`, `false`), never an error;
 * - refused by the fence: a value (`{ stored: false }`, `'refused'`);
 * - no usable answer within the operation's own time-out: rejects with `NodeUnreachableError`; the operation may
 *   or may not have taken effect. It is never sent again. A server that was stalled may still carry it out when it
 *   wakes up, even after a later operation was acknowledged: only a fence makes such a late write or removal harmless;
 * - error status from the server: rejects with `NodeRefusedError`;
 * - key or value too large: rejects with `ItemTooLargeError` before anything is sent, the old value stays;
 * - after `close()`: rejects with `ClosedError`.
 *
 * Deadlines are absolute, in milliseconds since the epoch; `0` means: never expires. A deadline in the past or less
 * than the server's granularity ahead is the shortest life that the server knows (memcached: one second), never "for ever".
 */
export interface StorageNode {
  /** The name in session ids; `undefined` for a single anonymous node. */
  readonly id: string | undefined
  /** Address for people, without credentials. */
  readonly address: string
  /** Largest value in bytes that the node takes. */
  readonly maxValueBytes: number

  /** Reads; with `renewTo` the same round trip also moves the expiry to that deadline. */
  get(key: string, renewTo?: number): Promise<StoredValue | undefined>
  /**
   * Writes when `expected` holds; the fence of what now stands there comes back. Does not keep `bytes`: the caller may
   * use that memory again as soon as the call has returned, before the promise settles.
   */
  put(key: string, bytes: Uint8Array, deadline: number, expected: Expected, options?: PutOptions): Promise<PutResult>
  /**
   * Reads what differs from the state that the fence stands for, and moves the expiry of whatever is there to `renewTo`.
   * `'unchanged'`: that state is still there, and its value was not sent, where the server compares more cheaply than it
   * sends; `undefined`: nothing is there.
   */
  verify(key: string, seen: Fence, renewTo: number): Promise<'unchanged' | StoredValue | undefined>
  /** Moves the expiry. `false`: nothing there; a touch never creates. */
  touch(key: string, deadline: number): Promise<boolean>
  /** Removes; with a fence only the value that the fence stands for. */
  delete(key: string, expected?: Fence): Promise<'deleted' | 'absent' | 'refused'>
  /** One cheap round trip that shows that the server works. */
  ping(): Promise<void>
  /**
   * Counts the connections that this object has opened so far. A change tells that the server may have been restarted
   * (and may be empty) since the last look.
   */
  readonly connections: number
  /**
   * Names the server process(es) that hold the data, where that is known. A changed value tells that a server was
   * restarted or replaced, so its data may be lost or old; going to `undefined` and coming back with the same tells nothing.
   */
  readonly incarnation?: string | undefined
  /** Whether `getCached` may answer from memory at present. Nodes without such a memory have none of the three. */
  readonly caches?: boolean
  /**
   * Reads like `get`, and may answer from this process' memory: then without a promise, and without any operation. Such an
   * answer can be older than what the server has; how much is said in docs/storage.md. A fenced write with its fence is
   * safe, as its fence is that of the older value. Not for whoever has a reason to doubt, holds a lock or repairs: `get`
   * always asks the server.
   */
  getCached?(key: string, renewal: Renewal): StoredValue | Promise<StoredValue | undefined>
  /** `undefined`: nothing is kept at present. */
  cacheFigures?(): NearCacheFigures | undefined
  /**
   * What the server tells about itself. Rejects where it tells nothing, without regard to how well it works. Nodes without a server
   * of their own have none.
   * @param thorough also tries what the server can do. Default `false`.
   */
  figures?(thorough?: boolean): Promise<ServerFigures>
  /** Ends at once: pending operations reject, sockets and timers go. Idempotent. */
  close(): Promise<void>
}
