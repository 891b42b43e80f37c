import { NodeRefusedError } from '../../errors.js'
import { checkItemSize, largestValueBytes } from '../item-size.js'
import type {
  Expected,
  Fence,
  NearCacheFigures,
  PutOptions,
  PutResult,
  Renewal,
  StorageNode,
  StoredValue,
} from '../storage-node.js'
import { LastHeads } from './last-heads.js'
import { PartStore } from './part-store.js'
import { cutIntoParts, isHead, type PartsHead, readHead } from './parts-head.js'

export interface PartsOptions {
  /** Another object for the same server, used for parts alone, and closed with this one. */
  partsNode: StorageNode
  /** What the keys of parts begin with. */
  partsPrefix: string
  /** Bytes of the longest value that is stored as it is; may be asked of the server when a value comes that is not sure to fit. */
  pieceBytes: (valueBytes: number) => number | Promise<number>
  /** Longest part in bytes. Default: as long as what is stored as it is. */
  partBytes?: number
}

/** How often a value may be replaced while it is read. */
const MAX_ROUNDS = 8

/** Who had the value read as an empty one is told by this that it was no value. */
const nothing = Buffer.alloc(0)

/**
 * A node that takes values which are larger than its server's items, and moves them over connections of their own: under the key stands a
 * head, which is what is fenced, and names the parts. The parts are written before the head, live a little longer, and are removed when
 * another value has taken the head's place; what a crash leaves behind expires.
 *
 * A value of which a part is gone is read as an empty one, with the fence of its head: so it can be replaced. Values that fit are stored as
 * they are, by the same operations as without this; only a touch is a read that renews, as it can't know what it meets.
 */
export function storeInParts(node: StorageNode, options: PartsOptions): StorageNode {
  return new NodeInParts(node, options)
}

/** The state of a value in parts. */
class HeadFence {
  readonly inner: Fence
  readonly head: PartsHead

  constructor(inner: Fence, head: PartsHead) {
    this.inner = inner
    this.head = head
  }
}

class NodeInParts implements StorageNode {
  readonly id: string | undefined
  readonly address: string
  readonly maxValueBytes = largestValueBytes
  /** Only where the node has it. */
  readonly figures?: NonNullable<StorageNode['figures']>
  readonly #node: StorageNode
  readonly #options: PartsOptions
  readonly #parts: PartStore
  readonly #lastHeads = new LastHeads()

  constructor(node: StorageNode, options: PartsOptions) {
    this.id = node.id
    this.address = node.address
    this.#node = node
    this.#options = options
    this.#parts = new PartStore(options.partsNode, options.partsPrefix)
    if (node.figures !== undefined) this.figures = node.figures.bind(node)
  }

  get connections(): number {
    return this.#node.connections
  }

  get incarnation(): string | undefined {
    return this.#node.incarnation
  }

  get caches(): boolean {
    return this.#node.caches === true
  }

  async get(key: string, renewTo?: number): Promise<StoredValue | undefined> {
    return this.#whole(key, await this.#node.get(key, renewTo), renewTo)
  }

  getCached(key: string, renewal: Renewal): StoredValue | Promise<StoredValue | undefined> {
    const answer = this.#node.getCached?.(key, renewal) ?? this.#node.get(key, renewal.to)
    if (!(answer instanceof Promise) && !isHead(answer.bytes)) return answer
    return Promise.resolve(answer).then((found) => this.#whole(key, found, renewal.to))
  }

  async verify(key: string, seen: Fence, renewTo: number): Promise<'unchanged' | StoredValue | undefined> {
    const found = await this.#node.verify(key, innerFence(seen), renewTo)
    if (found !== 'unchanged') return this.#whole(key, found, renewTo)
    if (!(seen instanceof HeadFence)) return 'unchanged'
    return (await this.#parts.renew(seen.head, renewTo)) ? 'unchanged' : this.get(key, renewTo)
  }

  cacheFigures(): NearCacheFigures | undefined {
    return this.#node.cacheFigures?.()
  }

  put(key: string, bytes: Uint8Array, deadline: number, expected: Expected, options?: PutOptions): Promise<PutResult> {
    const tooLarge = checkItemSize(this, key, bytes.length)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    const limit = this.#options.pieceBytes(bytes.length)
    if (typeof limit === 'number' && fits(bytes, limit)) return this.#putPiece(key, bytes, deadline, expected, options)
    return this.#putOwn(key, Buffer.from(bytes), deadline, expected, options, limit)
  }

  async touch(key: string, deadline: number): Promise<boolean> {
    const found = await this.#node.get(key, deadline)
    if (found === undefined || !isHead(found.bytes)) return found !== undefined
    const head = readHead(found.bytes)
    return head !== undefined && this.#parts.renew(head, deadline)
  }

  delete(key: string, expected?: Fence): Promise<'deleted' | 'absent' | 'refused'> {
    const before = this.#headBefore(key, expected ?? 'any')
    const removed = this.#node.delete(key, expected === undefined ? undefined : innerFence(expected))
    return before === undefined ? removed : this.#after(removed, key, before, (result) => result === 'deleted')
  }

  ping(): Promise<void> {
    return this.#node.ping()
  }

  async close(): Promise<void> {
    await Promise.all([this.#node.close(), this.#parts.close()])
  }

  /** What a read has brought, put together where it is in parts. */
  async #whole(
    key: string,
    found: StoredValue | undefined,
    renewTo: number | undefined,
  ): Promise<StoredValue | undefined> {
    let current = found
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (current === undefined || !isHead(current.bytes)) return current
      const head = readHead(current.bytes)
      if (head === undefined) return { bytes: nothing, fence: current.fence }
      this.#lastHeads.note(key, head)
      const bytes = await this.#parts.read(head, renewTo)
      if (bytes !== undefined) return { bytes, fence: new HeadFence(current.fence, head) }
      /* Whoever has replaced the value has removed its parts. */
      const next = await this.#node.get(key, renewTo)
      if (next?.bytes.equals(head.bytes)) return { bytes: nothing, fence: new HeadFence(next.fence, head) }
      current = next
    }
    throw new NodeRefusedError(`storage node ${this.address} has got other values ${MAX_ROUNDS} times during one read`)
  }

  #putPiece(
    key: string,
    bytes: Uint8Array,
    deadline: number,
    expected: Expected,
    options: PutOptions | undefined,
  ): Promise<PutResult> {
    const before = this.#headBefore(key, expected)
    const put = this.#node.put(key, bytes, deadline, innerExpected(expected), options)
    return before === undefined ? put : this.#after(put, key, before, ({ stored }) => stored)
  }

  /** @param value nobody else changes it */
  async #putOwn(
    key: string,
    value: Buffer,
    deadline: number,
    expected: Expected,
    options: PutOptions | undefined,
    limit: number | Promise<number>,
  ): Promise<PutResult> {
    const pieceBytes = await limit
    if (fits(value, pieceBytes)) return this.#putPiece(key, value, deadline, expected, options)
    const head = cutIntoParts(value, this.#options.partBytes ?? pieceBytes)
    const before = this.#headBefore(key, expected)
    const shortfall = await this.#parts.write(head, value, deadline, options)
    const result = await this.#node.put(key, head.bytes, deadline, innerExpected(expected), options)
    if (!result.stored) {
      this.#parts.remove(head)
      return result
    }
    if (before !== undefined) this.#parts.remove(before)
    this.#lastHeads.note(key, head)
    const short = shortfall === undefined ? {} : { shortfall }
    return { ...short, ...result, fence: new HeadFence(result.fence, head) }
  }

  /** The head that a write is about to replace, as far as it is known. What comes to be known later may be newer than the write. */
  #headBefore(key: string, expected: Expected): PartsHead | undefined {
    if (expected instanceof HeadFence) return expected.head
    return expected === 'any' ? this.#lastHeads.get(key) : undefined
  }

  /** Removes the parts of a head when something else has taken its place. */
  async #after<T>(operation: Promise<T>, key: string, before: PartsHead, isDone: (result: T) => boolean): Promise<T> {
    const result = await operation
    if (isDone(result)) {
      this.#lastHeads.forget(key, before)
      this.#parts.remove(before)
    }
    return result
  }
}

function fits(value: Uint8Array, limit: number): boolean {
  return value.length <= limit && !isHead(value)
}

function innerExpected(expected: Expected): Expected {
  return typeof expected === 'string' ? expected : innerFence(expected)
}

function innerFence(fence: Fence): Fence {
  return fence instanceof HeadFence ? fence.inner : fence
}
