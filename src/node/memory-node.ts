import { type Clock, systemClock } from '../clock.js'
import { ClosedError } from '../errors.js'
import { checkItemSize, largestValueBytes, maxKeyBytes } from './item-size.js'
import type { Expected, Fence, PutResult, StorageNode, StoredValue } from './storage-node.js'

export interface MemoryNodeOptions {
  /** `[A-Za-z0-9_]+`, or `undefined` for the one anonymous node. */
  id: string | undefined
  clock?: Clock
  /** Bytes of keys, values and bookkeeping; beyond it the values that were used longest ago go. Default: 64 MiB. */
  memoryLimit?: number
}

const defaultMemoryLimit = 64 * 1024 * 1024

/** What an entry costs besides its key and value, roughly. */
const entryOverhead = 200

/**
 * A storage node inside this process, for tests and for a single server. Its values are gone with the process,
 * and two nodes never share any.
 */
export function createMemoryNode(options: MemoryNodeOptions): StorageNode {
  return new MemoryNode(options)
}

interface Entry {
  bytes: Buffer
  deadline: number
  fence: Fence
}

class MemoryNode implements StorageNode {
  readonly id: string | undefined
  readonly address = 'memory://'
  readonly maxValueBytes: number
  readonly connections = 1
  readonly #clock: Clock
  readonly #memoryLimit: number
  /** In the order of last use. */
  readonly #entries = new Map<string, Entry>()
  #used = 0
  #closed = false

  constructor(options: MemoryNodeOptions) {
    this.id = options.id
    this.#clock = options.clock ?? systemClock
    this.#memoryLimit = options.memoryLimit ?? defaultMemoryLimit
    this.maxValueBytes = Math.min(largestValueBytes, this.#memoryLimit - entryOverhead - maxKeyBytes)
  }

  async get(key: string, renewTo?: number): Promise<StoredValue | undefined> {
    this.#check(key, 0)
    const entry = this.#live(key)
    if (entry === undefined) return undefined
    if (renewTo !== undefined) entry.deadline = this.#usableDeadline(renewTo)
    this.#markUsed(key, entry)
    return { bytes: Buffer.from(entry.bytes), fence: entry.fence }
  }

  async put(key: string, bytes: Uint8Array, deadline: number, expected: Expected): Promise<PutResult> {
    this.#check(key, bytes.length)
    const current = this.#live(key)
    if (!holds(current, expected)) return { stored: false }
    const fence: Fence = {}
    this.#remove(key)
    this.#entries.set(key, { bytes: ownCopy(bytes), deadline: this.#usableDeadline(deadline), fence })
    this.#used += cost(key, bytes.length)
    this.#makeRoom()
    return { stored: true, fence }
  }

  async verify(key: string, seen: Fence, renewTo: number): Promise<'unchanged' | StoredValue | undefined> {
    const found = await this.get(key, renewTo)
    return found?.fence === seen ? 'unchanged' : found
  }

  async touch(key: string, deadline: number): Promise<boolean> {
    this.#check(key, 0)
    const entry = this.#live(key)
    if (entry === undefined) return false
    entry.deadline = this.#usableDeadline(deadline)
    this.#markUsed(key, entry)
    return true
  }

  async delete(key: string, expected?: Fence): Promise<'deleted' | 'absent' | 'refused'> {
    this.#check(key, 0)
    const entry = this.#live(key)
    if (entry === undefined) return 'absent'
    if (expected !== undefined && expected !== entry.fence) return 'refused'
    this.#remove(key)
    return 'deleted'
  }

  async ping(): Promise<void> {
    this.#check('', 0)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#entries.clear()
    this.#used = 0
  }

  #check(key: string, valueBytes: number): void {
    if (this.#closed) throw new ClosedError('storage node memory://')
    const tooLarge = checkItemSize(this, key, valueBytes)
    if (tooLarge !== undefined) throw tooLarge
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || !this.#expired(entry)) return entry
    this.#remove(key)
    return undefined
  }

  #expired(entry: Entry): boolean {
    return entry.deadline !== 0 && entry.deadline <= this.#clock.now()
  }

  /** The shortest life here is one millisecond. */
  #usableDeadline(deadline: number): number {
    return deadline === 0 ? 0 : Math.max(deadline, this.#clock.now() + 1)
  }

  #markUsed(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#entries.set(key, entry)
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#used -= cost(key, entry.bytes.length)
  }

  /** Evicts beyond the limit, and drops an expired entry or two on the way, so that no walk over all is needed. */
  #makeRoom(): void {
    let looked = 0
    for (const [key, entry] of this.#entries) {
      if (this.#used <= this.#memoryLimit && (looked >= 2 || !this.#expired(entry))) return
      looked += 1
      this.#remove(key)
    }
  }
}

function holds(current: Entry | undefined, expected: Expected): boolean {
  if (expected === 'any') return true
  if (expected === 'absent') return current === undefined
  return current?.fence === expected
}

function cost(key: string, valueBytes: number): number {
  return key.length + valueBytes + entryOverhead
}

/** Not from Node's shared pool: a small value there would keep a whole slab in memory. */
function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
