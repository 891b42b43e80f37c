import { type Clock, systemClock } from '../../clock.js'
import { ClosedError, NodeRefusedError, ProtocolError } from '../../errors.js'
import type { NodeAddress } from '../address/node-address.js'
import { checkItemSize, defaultMaxValueBytes } from '../item-size.js'
import { ownBytes } from '../own-bytes.js'
import type { ServerFigures } from '../server-figures.js'
import type { Expected, Fence, PutResult, StorageNode, StoredValue } from '../storage-node.js'
import type { MemcachedAddress } from './memcached-address.js'
import { MemcachedClient, type MemcachedClientOptions } from './memcached-client.js'
import { memcachedExpiry } from './memcached-expiry.js'
import { readMemcachedFigures } from './memcached-figures.js'
import type { Answer } from './memcached-operation.js'
import { isOwnCas } from './own-cas.js'

export interface MemcachedNodeOptions extends Omit<MemcachedClientOptions, 'address'> {
  /** One of a memcached server or an embedded node. */
  address: NodeAddress
  /** `[A-Za-z0-9_]+`, or `undefined` for the one anonymous node. */
  id: string | undefined
  /** Largest value in bytes. Default: 1 MiB less 1 KiB, which fits memcached's default item size. */
  maxValueBytes?: number
  clock?: Clock
}

/** What a memcached node does beyond the contract, for values that are larger than an item. */
export interface MemcachedStorageNode extends StorageNode {
  /** Bytes of the server's largest item (`-I`), with its key and what stands around it; `undefined`: it doesn't tell. */
  itemBytes(): Promise<number | undefined>
}

/**
 * A memcached server, or Holdfast's embedded one, as a storage node: one connection, no retry, by memcached's meta
 * commands where the server has them, else by its binary protocol.
 *
 * Fencing is memcached's CAS. Where the server takes a number of our own for what is written, a fence holds on every
 * connection. A number of the server's counts only within the connection that it was read on, because a restarted server
 * begins to count again: a token of an earlier connection is refused without asking.
 *
 * Expiry is rounded up to whole seconds. memcached's own clock ticks once a second, so a value can go up to one second
 * before its deadline.
 */
export function createMemcachedNode(options: MemcachedNodeOptions): MemcachedStorageNode {
  const { address } = options
  if (address.scheme === 'redis') throw new TypeError(`${address.label} is no address of a memcached server`)
  return new MemcachedNode({ ...options, address })
}

/** The state of a value: on one connection, or anywhere when its number is one of ours. */
class CasToken {
  readonly generation: number
  readonly cas: bigint

  constructor(generation: number, cas: bigint) {
    this.generation = generation
    this.cas = cas
  }
}

const anyState = 0n

const refused: PutResult = Object.freeze({ stored: false })

class MemcachedNode implements MemcachedStorageNode {
  readonly id: string | undefined
  readonly address: string
  readonly maxValueBytes: number
  readonly #client: MemcachedClient
  readonly #memcached: MemcachedAddress
  readonly #timeout: () => number
  readonly #clock: Clock
  /** The connection on which the server was found to have no CAS. */
  #unfencedOn = 0

  constructor(options: MemcachedNodeOptions & MemcachedClientOptions) {
    this.id = options.id
    this.address = options.address.label
    this.maxValueBytes = options.maxValueBytes ?? defaultMaxValueBytes
    this.#clock = options.clock ?? systemClock
    this.#client = new MemcachedClient(options)
    const { address, operationTimeout: timeout } = options
    this.#memcached = address
    this.#timeout = typeof timeout === 'function' ? timeout : () => timeout
  }

  get connections(): number {
    return this.#client.connections
  }

  get(key: string, renewTo?: number): Promise<StoredValue | undefined> {
    const tooLarge = checkItemSize(this, key, 0)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    const renewal = renewTo === undefined ? undefined : { expiry: this.#expiry(renewTo) }
    return this.#client.send({ kind: 'get', key, cas: anyState, ...renewal }, readValue)
  }

  put(key: string, bytes: Uint8Array, deadline: number, expected: Expected): Promise<PutResult> {
    const tooLarge = checkItemSize(this, key, bytes.length)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    const cas = typeof expected === 'string' ? anyState : this.#usableCas(expected)
    if (cas === undefined) return this.#unasked(refused)
    const kind = expected === 'absent' ? 'add' : 'set'
    return this.#client.send({ kind, key, value: bytes, expiry: this.#expiry(deadline), cas }, this.#readPutResult)
  }

  async verify(key: string, seen: Fence, renewTo: number): Promise<'unchanged' | StoredValue | undefined> {
    const cas = this.#usableCas(seen)
    if (cas === undefined) return this.get(key, renewTo)
    const tooLarge = checkItemSize(this, key, 0)
    if (tooLarge !== undefined) throw tooLarge
    const found = await this.#client.send(
      { kind: 'verify', key, cas, expiry: this.#expiry(renewTo) },
      (answer, generation) => readVerification(answer, cas, generation),
    )
    return found === 'changed' ? this.get(key) : found
  }

  touch(key: string, deadline: number): Promise<boolean> {
    const tooLarge = checkItemSize(this, key, 0)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    return this.#client.send({ kind: 'touch', key, expiry: this.#expiry(deadline), cas: anyState }, readTouchResult)
  }

  delete(key: string, expected?: Fence): Promise<'deleted' | 'absent' | 'refused'> {
    const tooLarge = checkItemSize(this, key, 0)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    const cas = expected === undefined ? anyState : this.#usableCas(expected)
    if (cas === undefined) return this.#unasked('refused')
    return this.#client.send({ kind: 'delete', key, cas }, readDeleteResult)
  }

  /** A server of which a write has shown that it can't fence doesn't work for us, though it would answer. */
  async ping(): Promise<void> {
    const generation = await this.#client.send({ kind: 'ping', key: '', cas: anyState }, readPong)
    if (generation === this.#unfencedOn) throw withoutCas()
  }

  figures(): Promise<ServerFigures> {
    return readMemcachedFigures(this.#memcached, this.#timeout())
  }

  itemBytes(): Promise<number | undefined> {
    return this.#client.send({ kind: 'stats', key: 'settings', cas: anyState }, readItemBytes)
  }

  close(): Promise<void> {
    this.#client.close()
    return Promise.resolve()
  }

  readonly #readPutResult = (answer: Answer, generation: number): PutResult => {
    if (answer.outcome !== 'ok') return refused
    if (answer.cas === 0n) this.#unfencedOn = generation
    return { stored: true, fence: readToken(answer, generation) }
  }

  #usableCas(fence: Fence): bigint | undefined {
    if (!(fence instanceof CasToken)) return undefined
    return isOwnCas(fence.cas) || this.#client.holds(fence.generation) ? fence.cas : undefined
  }

  #unasked<T>(answer: T): Promise<T> {
    if (this.#client.closed) return Promise.reject(new ClosedError(`storage node ${this.address}`))
    return Promise.resolve(answer)
  }

  #expiry(deadline: number): number {
    return memcachedExpiry(deadline, this.#clock.now())
  }
}

function readValue(answer: Answer, generation: number): StoredValue | undefined {
  if (answer.outcome === 'absent') return undefined
  requireOk(answer)
  if (answer.value === undefined) throw new ProtocolError('sent no value where one was asked for')
  return { bytes: ownBytes(answer.value), fence: readToken(answer, generation) }
}

/** `'changed'`: something else is there, whose value the server didn't send. */
function readVerification(
  answer: Answer,
  seen: bigint,
  generation: number,
): 'unchanged' | 'changed' | StoredValue | undefined {
  if (answer.outcome === 'absent') return undefined
  requireOk(answer)
  if (answer.cas === seen) return 'unchanged'
  return answer.value === undefined ? 'changed' : readValue(answer, generation)
}

function readTouchResult(answer: Answer): boolean {
  if (answer.outcome === 'absent') return false
  requireOk(answer)
  return true
}

function readDeleteResult(answer: Answer): 'deleted' | 'absent' | 'refused' {
  if (answer.outcome === 'absent') return 'absent'
  if (answer.outcome === 'exists') return 'refused'
  requireOk(answer)
  return 'deleted'
}

function readItemBytes(answer: Answer): number | undefined {
  if (answer.outcome === 'absent') return undefined
  requireOk(answer)
  const bytes = Number(answer.figures?.get('item_size_max'))
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
}

function readPong(answer: Answer, generation: number): number {
  requireOk(answer)
  return generation
}

function requireOk({ outcome }: Answer): void {
  if (outcome !== 'ok') throw new ProtocolError(`answered "${outcome}" to an operation that can't end so`)
}

/** With `-C` memcached has no CAS and says 0; sent back, a 0 would mean "whatever is there" and lift the fence. */
function readToken({ cas }: Answer, generation: number): CasToken {
  if (cas === 0n) throw withoutCas()
  return new CasToken(generation, cas)
}

function withoutCas(): NodeRefusedError {
  const message = "the memcached server runs without CAS (option -C): writes can't be fenced there"
  return new NodeRefusedError(message, { refuses: 'everything' })
}
