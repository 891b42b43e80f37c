import type { PutOptions, ReplicaShortfall, StorageNode } from '../storage-node.js'
import { isPart, type Part, type PartsHead } from './parts-head.js'
import { Transfers } from './transfers.js'

const mebibyte = 1024 * 1024

/** Under way at once: what a server has to move within one time-out. Waiting: sixty sessions of 4 MB. */
const limits = { underWay: 8 * mebibyte, waiting: 256 * mebibyte }

/** Milliseconds that parts live longer than their head, so that a head which is there has its parts. */
const LONGER = 60_000

/** A read of all parts that is under way. */
interface SharedRead {
  /** To when the parts' lives are moved by it. */
  readonly renewTo: number | undefined
  readonly value: Promise<Buffer | undefined>
  isShared: boolean
}

/** The parts of large values, moved over connections of their own. */
export class PartStore {
  readonly #node: StorageNode
  readonly #prefix: string
  readonly #transfers: Transfers
  /** By the id of the write. */
  readonly #reads = new Map<string, SharedRead>()
  #turns: Promise<void> = Promise.resolve()

  /**
   * @param node used for nothing else, so that no small value waits behind a large one
   * @param prefix what the keys of parts begin with
   */
  constructor(node: StorageNode, prefix: string) {
    this.#node = node
    this.#prefix = prefix
    this.#transfers = new Transfers(node.address, limits)
  }

  /** Does not keep `value`, and reads it until it has settled. @returns what replicas there are too few. */
  async write(
    { parts }: PartsHead,
    value: Buffer,
    deadline: number,
    options?: PutOptions,
  ): Promise<ReplicaShortfall | undefined> {
    const results = await Promise.all(
      parts.map(({ name, at, length }) => {
        const bytes = value.subarray(at, at + length)
        const put = () => this.#node.put(this.#prefix + name, bytes, longer(deadline), 'any', options)
        return this.#transfers.run(length, put)
      }),
    )
    const short = results.find((result) => result.stored && result.shortfall !== undefined)
    return short?.stored ? short.shortfall : undefined
  }

  /**
   * The value whose parts these are; `undefined`: one of them is gone. What a head names never changes, so all who have read the same head
   * share one read of its parts.
   */
  async read(head: PartsHead, renewTo: number | undefined): Promise<Buffer | undefined> {
    const shared = this.#reads.get(head.id)
    if (shared === undefined || !renewsFor(shared, renewTo)) return this.#begin(head, renewTo)
    shared.isShared = true
    const value = await shared.value
    /* Each has much to do with it: other visitors come in between. */
    await this.#nextTurn()
    return value && Buffer.from(value)
  }

  /** Moves the ends of all parts. @returns false: one of them is gone. */
  async renew({ parts }: PartsHead, deadline: number): Promise<boolean> {
    const found = await Promise.all(parts.map(({ name }) => this.#node.touch(this.#prefix + name, longer(deadline))))
    return !found.includes(false)
  }

  /** Removes parts whose head is gone for good. Nobody waits for it: what is not removed expires by itself. */
  remove({ parts }: PartsHead): void {
    for (const { name } of parts) this.#node.delete(this.#prefix + name).catch(() => {})
  }

  close(): Promise<void> {
    this.#transfers.close()
    return this.#node.close()
  }

  async #begin(head: PartsHead, renewTo: number | undefined): Promise<Buffer | undefined> {
    const read: SharedRead = { renewTo, value: this.#fetch(head, renewTo), isShared: false }
    this.#reads.set(head.id, read)
    try {
      const value = await read.value
      return value && read.isShared ? Buffer.from(value) : value
    } finally {
      if (this.#reads.get(head.id) === read) this.#reads.delete(head.id)
    }
  }

  async #fetch({ length, parts }: PartsHead, renewTo: number | undefined): Promise<Buffer | undefined> {
    const fetched = await Promise.all(parts.map((part) => this.#fetchPart(part, renewTo)))
    const whole = fetched.filter((bytes) => bytes !== undefined)
    if (whole.length < parts.length) return undefined
    return whole.length === 1 ? whole[0] : Buffer.concat(whole, length)
  }

  async #fetchPart(part: Part, renewTo: number | undefined): Promise<Buffer | undefined> {
    const to = renewTo === undefined ? undefined : longer(renewTo)
    const found = await this.#transfers.run(part.length, () => this.#node.get(this.#prefix + part.name, to))
    return found !== undefined && isPart(part, found.bytes) ? found.bytes : undefined
  }

  #nextTurn(): Promise<void> {
    this.#turns = this.#turns.then(() => new Promise((resolve) => setImmediate(resolve)))
    return this.#turns
  }
}

function longer(deadline: number): number {
  return deadline === 0 ? 0 : deadline + LONGER
}

/** Whether the parts will live as long as somebody wants who renews them to that time. */
function renewsFor(read: SharedRead, renewTo: number | undefined): boolean {
  if (renewTo === undefined || read.renewTo === renewTo) return true
  if (read.renewTo === undefined || renewTo === 0) return false
  return read.renewTo === 0 || Math.abs(renewTo - read.renewTo) < LONGER / 2
}
