import { type Clock, systemClock } from '../clock.js'
import { ClosedError, NodeRefusedError, ProtocolError } from '../errors.js'
import { checkItemSize, defaultMaxValueBytes } from './item-size.js'
import { MemcachedClient, type MemcachedClientOptions } from './memcached-client.js'
import { memcachedExpiry } from './memcached-expiry.js'
import {
  type Cas,
  encodeExpiryRequest,
  encodeKeyRequest,
  encodeStoreRequest,
  opcode,
  type Reply,
  replyCas,
  status,
} from './memcached-protocol.js'
import { ownBytes } from './own-bytes.js'
import type { Expected, PutResult, StorageNode, StoredValue, VersionToken } from './storage-node.js'

export interface MemcachedNodeOptions extends MemcachedClientOptions {
  /** `[A-Za-z0-9_]+`, or `undefined` for the one anonymous node. */
  id: string | undefined
  /** Largest value in bytes. Default: 1 MiB less 1 KiB, which fits memcached's default item size. */
  maxValueBytes?: number
  clock?: Clock
}

/**
 * A memcached server, or Holdfast's embedded one, as a storage node: memjs on memcached's binary protocol, one
 * connection, no retry. Fencing is memcached's CAS. A CAS number counts only within the connection that it was read
 * on, because a restarted server begins to count again: a token of an earlier connection is refused without asking.
 *
 * Expiry is rounded up to whole seconds. memcached's own clock ticks once a second, so a value can go up to one second
 * before its deadline.
 */
export function createMemcachedNode(options: MemcachedNodeOptions): StorageNode {
  return new MemcachedNode(options)
}

/** The state of a value on one connection. */
class CasToken implements Cas {
  readonly generation: number
  readonly high: number
  readonly low: number

  constructor(generation: number, cas: Cas) {
    this.generation = generation
    this.high = cas.high
    this.low = cas.low
  }
}

const anyState: Cas = { high: 0, low: 0 }
const refused: PutResult = Object.freeze({ stored: false })

class MemcachedNode implements StorageNode {
  readonly id: string | undefined
  readonly address: string
  readonly maxValueBytes: number
  readonly #client: MemcachedClient
  readonly #clock: Clock

  constructor(options: MemcachedNodeOptions) {
    this.id = options.id
    this.address = options.address.label
    this.maxValueBytes = options.maxValueBytes ?? defaultMaxValueBytes
    this.#clock = options.clock ?? systemClock
    this.#client = new MemcachedClient(options)
  }

  get connections(): number {
    return this.#client.connections
  }

  get(key: string, renewTo?: number): Promise<StoredValue | undefined> {
    const tooLarge = checkItemSize(this, key, 0)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    return this.#client.send(
      renewTo === undefined
        ? encodeKeyRequest(opcode.get, key)
        : encodeExpiryRequest(opcode.getAndTouch, key, this.#expiry(renewTo)),
      readValue,
    )
  }

  put(key: string, bytes: Uint8Array, deadline: number, expected: Expected): Promise<PutResult> {
    const tooLarge = checkItemSize(this, key, bytes.length)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    const cas = typeof expected === 'string' ? anyState : this.#usableCas(expected)
    if (cas === undefined) return this.#unasked(refused)
    const code = expected === 'absent' ? opcode.add : opcode.set
    return this.#client.send(encodeStoreRequest(code, key, bytes, this.#expiry(deadline), cas), readPutResult)
  }

  touch(key: string, deadline: number): Promise<boolean> {
    const tooLarge = checkItemSize(this, key, 0)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    return this.#client.send(encodeExpiryRequest(opcode.touch, key, this.#expiry(deadline)), readTouchResult)
  }

  delete(key: string, expected?: VersionToken): Promise<'deleted' | 'absent' | 'refused'> {
    const tooLarge = checkItemSize(this, key, 0)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    const cas = expected === undefined ? anyState : this.#usableCas(expected)
    if (cas === undefined) return this.#unasked('refused')
    return this.#client.send(encodeKeyRequest(opcode.delete, key, cas), readDeleteResult)
  }

  ping(): Promise<void> {
    return this.#client.send(encodeKeyRequest(opcode.noop, ''), readPong)
  }

  close(): Promise<void> {
    this.#client.close()
    return Promise.resolve()
  }

  #usableCas(token: VersionToken): Cas | undefined {
    return token instanceof CasToken && this.#client.holds(token.generation) ? token : undefined
  }

  #unasked<T>(answer: T): Promise<T> {
    if (this.#client.closed) return Promise.reject(new ClosedError(`storage node ${this.address}`))
    return Promise.resolve(answer)
  }

  #expiry(deadline: number): number {
    return memcachedExpiry(deadline, this.#clock.now())
  }
}

function readValue(reply: Reply, generation: number): StoredValue | undefined {
  if (reply.header.status === status.notFound) return undefined
  requireOk(reply)
  return { bytes: ownBytes(reply.val), token: readToken(reply, generation) }
}

function readPutResult(reply: Reply, generation: number): PutResult {
  if (reply.header.status !== status.ok) return refused
  return { stored: true, token: readToken(reply, generation) }
}

function readTouchResult(reply: Reply): boolean {
  if (reply.header.status === status.notFound) return false
  requireOk(reply)
  return true
}

function readDeleteResult(reply: Reply): 'deleted' | 'absent' | 'refused' {
  if (reply.header.status === status.notFound) return 'absent'
  if (reply.header.status === status.exists) return 'refused'
  requireOk(reply)
  return 'deleted'
}

function readPong(reply: Reply): void {
  requireOk(reply)
}

function requireOk(reply: Reply): void {
  if (reply.header.status === status.ok) return
  throw new ProtocolError(`answered operation ${reply.header.opcode} with status ${reply.header.status}`)
}

/** With `-C` memcached has no CAS and says 0; sent back, a 0 would mean "whatever is there" and lift the fence. */
function readToken(reply: Reply, generation: number): CasToken {
  const cas = replyCas(reply)
  if (cas.high === 0 && cas.low === 0) {
    throw new NodeRefusedError("the memcached server runs without CAS (option -C): writes can't be fenced there")
  }
  return new CasToken(generation, cas)
}
