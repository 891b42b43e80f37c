import type { TimeOfDay } from '../clock.js'
import type { Counters } from './counters.js'
import { type Linked, RecencyList } from './recency-list.js'

/** One stored value. */
export interface Item extends Linked<Item> {
  readonly key: string
  value: Buffer
  flags: number
  /** Milliseconds since the epoch; `Infinity`: never expires. */
  deadline: number
  /** Changes with every write, never with a touch. */
  cas: bigint
  fetched: boolean
}

/** Why an item was not written. */
export type Refusal = 'absent' | 'exists' | 'tooLarge' | 'noMemory' | 'notNumeric'

export type WriteMode = 'set' | 'add' | 'replace'

export interface WriteOptions {
  flags: number
  expiration: number
  /** What the item has to have; 0: unconditional. */
  cas: bigint
  /** What the item is to have afterwards. Default: the next number of the server. */
  chosenCas?: bigint | undefined
  /** Default: that of the value. */
  valueLength?: number
}

export interface ItemStoreOptions {
  /** Bytes that all items may take, keys and bookkeeping included. */
  memoryLimit: number
  /** Bytes that one item may take: key, value and `ITEM_HEADER_BYTES`. */
  maxItemSize: number
  clock: TimeOfDay
  counters: Counters
  /** Bytes that are taken beside the items and count towards the limit. Default 0. */
  otherBytes?: () => number
}

/** What memcached keeps in front of key and value; counts towards the size of an item. */
export const ITEM_HEADER_BYTES = 50
/**
 * What an item costs beside key and value (map entry, objects, a buffer of its own): 400 to 500 bytes, as measured on
 * Node 20. Counts towards the memory limit, so that the limit is about what the process really takes.
 */
export const ITEM_OVERHEAD_BYTES = 400

/** Expirations up to this many seconds count from now, larger ones are a date. */
const RELATIVE_LIMIT_SECONDS = 30 * 24 * 60 * 60
/** Items that every write looks at in search of expired ones: more than it adds, so garbage can't pile up. */
const SWEPT_PER_WRITE = 2

const UINT64_LIMIT = 1n << 64n

/**
 * Items under keys with a memory limit: when it is reached, the least recently used items go. Expired items are
 * never seen; they are dropped when they are met, and by a sweep that goes round in small steps.
 *
 * An expiration is what the protocol carries: an unsigned number of seconds; 0: never; up to 30 days: from now;
 * above: Unix time. There is no negative one: -1 on the wire is a date in 2106, for memcached as well.
 */
export class ItemStore {
  readonly #options: ItemStoreOptions
  readonly #items = new Map<string, Item>()
  readonly #recency = new RecencyList<Item>()
  #bytes = 0
  #lastCas = 0n
  #flushAt = Number.POSITIVE_INFINITY

  constructor(options: ItemStoreOptions) {
    this.#options = options
  }

  /** Number of items, expired ones that were not met yet included. */
  get size(): number {
    this.#now()
    return this.#items.size
  }

  get bytes(): number {
    this.#now()
    return this.#bytes
  }

  get(key: string): Item | undefined {
    const item = this.#use(key, this.#now())
    if (item !== undefined) item.fetched = true
    return item
  }

  /** Gets and moves the expiry. */
  touch(key: string, expiration: number): Item | undefined {
    const now = this.#now()
    const item = this.#use(key, now)
    if (item === undefined) return undefined
    item.deadline = deadlineOf(expiration, now)
    item.fetched = true
    return item
  }

  /**
   * Writes a copy of `value`. A `cas` other than 0 replaces the mode: the item must exist with exactly that token.
   * When a set finds the value too large the old one is removed, because it is outdated either way.
   */
  write(mode: WriteMode, key: string, value: Buffer, options: WriteOptions): Item | Refusal {
    const now = this.#now()
    const refusal = this.#refuseSize(key, options.valueLength ?? value.length)
    if (refusal !== undefined) {
      if (mode === 'set') this.#removeKey(key)
      return refusal
    }
    const old = this.#use(key, now)
    const conflict = options.cas === 0n ? conflictOf(mode, old) : mismatch(old, options.cas)
    if (conflict !== undefined) return conflict
    const deadline = deadlineOf(options.expiration, now)
    return this.#put(old, key, copyOf(value), options.flags, deadline, options.chosenCas)
  }

  /** Adds bytes at one end; flags and expiry stay. */
  extend(key: string, bytes: Buffer, end: 'front' | 'back', cas: bigint): Item | Refusal {
    const old = this.#use(key, this.#now())
    if (old === undefined) return 'absent'
    if (cas !== 0n && cas !== old.cas) return 'exists'
    const refusal = this.#refuseSize(key, old.value.length + bytes.length)
    if (refusal !== undefined) return refusal
    return this.#put(
      old,
      key,
      joined(end === 'front' ? [bytes, old.value] : [old.value, bytes]),
      old.flags,
      old.deadline,
    )
  }

  /** Says whether a value of that length would be refused, and counts it if so. */
  refuses(key: string, valueLength: number): Refusal | undefined {
    return this.#refuseSize(key, valueLength)
  }

  remove(key: string, cas: bigint): 'removed' | 'absent' | 'exists' {
    const item = this.#live(key, this.#now())
    if (item === undefined) return 'absent'
    if (cas !== 0n && cas !== item.cas) return 'exists'
    this.#drop(item)
    return 'removed'
  }

  /**
   * Adds `delta` to a decimal number: upwards it wraps at 2^64, downwards it stops at 0. A result that is shorter
   * than the stored text is padded with spaces, as memcached does. Returns the item and its new number.
   */
  count(key: string, delta: bigint, cas: bigint): { item: Item; number: bigint } | Refusal {
    const old = this.#use(key, this.#now())
    if (old === undefined) return 'absent'
    if (cas !== 0n && cas !== old.cas) return 'exists'
    const number = numberIn(old.value)
    if (number === undefined) return 'notNumeric'
    const sum = number + delta
    const result = sum < 0n ? 0n : sum % UINT64_LIMIT
    const text = String(result).padEnd(old.value.length)
    return { item: this.#put(old, key, copyOf(Buffer.from(text)), old.flags, old.deadline), number: result }
  }

  /** Removes everything, at once or at the moment that the expiration names. A later call replaces an earlier one. */
  flush(expiration = 0): void {
    const now = this.#options.clock.now()
    this.#flushAt = expiration === 0 ? now : deadlineOf(expiration, now)
    this.#now()
  }

  /** Looks at up to `limit` items, where the last sweep stopped, and drops the expired ones. */
  sweep(limit: number): void {
    const now = this.#now()
    for (let left = Math.min(limit, this.#items.size); left > 0; left--) {
      const item = this.#recency.step()
      if (item !== undefined && item.deadline <= now) this.#expire(item)
    }
  }

  /** The time; a flush that was ordered for a moment that is over takes place first. */
  #now(): number {
    const now = this.#options.clock.now()
    if (now >= this.#flushAt) this.#clear()
    return now
  }

  #clear(): void {
    this.#items.clear()
    this.#recency.clear()
    this.#bytes = 0
    this.#flushAt = Number.POSITIVE_INFINITY
  }

  #live(key: string, now: number): Item | undefined {
    const item = this.#items.get(key)
    if (item === undefined || item.deadline > now) return item
    this.#expire(item)
    return undefined
  }

  #use(key: string, now: number): Item | undefined {
    const item = this.#live(key, now)
    if (item !== undefined) this.#recency.moveToNewest(item)
    return item
  }

  #refuseSize(key: string, valueLength: number): Refusal | undefined {
    const { maxItemSize, memoryLimit, counters } = this.#options
    if (key.length + valueLength + ITEM_HEADER_BYTES > maxItemSize) {
      counters.store_too_large++
      return 'tooLarge'
    }
    if (key.length + valueLength + ITEM_OVERHEAD_BYTES <= memoryLimit) return undefined
    counters.store_no_memory++
    return 'noMemory'
  }

  #put(
    old: Item | undefined,
    key: string,
    value: Buffer,
    flags: number,
    deadline: number,
    cas: bigint = ++this.#lastCas,
  ): Item {
    if (old !== undefined) this.#drop(old)
    const item: Item = { key, value, flags, deadline, cas, fetched: false, older: undefined, newer: undefined }
    this.#items.set(key, item)
    this.#recency.append(item)
    this.#bytes += footprint(item)
    this.#options.counters.total_items++
    this.sweep(SWEPT_PER_WRITE)
    this.#makeRoom(item)
    return item
  }

  #makeRoom(justWritten: Item): void {
    const now = this.#options.clock.now()
    const limit = this.#options.memoryLimit - (this.#options.otherBytes?.() ?? 0)
    while (this.#bytes > limit) {
      const oldest = this.#recency.oldest
      if (oldest === undefined || oldest === justWritten) return
      if (oldest.deadline <= now) this.#expire(oldest)
      else this.#evict(oldest)
    }
  }

  #evict(item: Item): void {
    this.#options.counters.evictions++
    if (!item.fetched) this.#options.counters.evicted_unfetched++
    this.#drop(item)
  }

  #expire(item: Item): void {
    this.#options.counters.reclaimed++
    if (!item.fetched) this.#options.counters.expired_unfetched++
    this.#drop(item)
  }

  #removeKey(key: string): void {
    const item = this.#items.get(key)
    if (item !== undefined) this.#drop(item)
  }

  #drop(item: Item): void {
    this.#items.delete(item.key)
    this.#recency.remove(item)
    this.#bytes -= footprint(item)
  }
}

function conflictOf(mode: WriteMode, old: Item | undefined): Refusal | undefined {
  if (mode === 'add' && old !== undefined) return 'exists'
  if (mode === 'replace' && old === undefined) return 'absent'
  return undefined
}

function mismatch(old: Item | undefined, cas: bigint): Refusal | undefined {
  if (old === undefined) return 'absent'
  return old.cas === cas ? undefined : 'exists'
}

function deadlineOf(expiration: number, now: number): number {
  if (expiration === 0) return Number.POSITIVE_INFINITY
  return expiration > RELATIVE_LIMIT_SECONDS ? expiration * 1000 : now + expiration * 1000
}

function footprint(item: Item): number {
  return item.key.length + item.value.length + ITEM_OVERHEAD_BYTES
}

/** Memory of its own: a view would keep the socket's whole chunk alive, a pooled buffer its whole pool. */
function copyOf(bytes: Buffer): Buffer {
  return joined([bytes])
}

function joined(parts: readonly Buffer[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) at += part.copy(whole, at)
  return whole
}

/** The unsigned 64 bit number at the front of a text; blanks may stand before it, anything after a blank. */
function numberIn(value: Buffer): bigint | undefined {
  if (value.length > 64) return undefined
  const digits = /^\s*\+?(\d+)(?:\s|$)/.exec(value.toString('latin1'))?.[1]
  if (digits === undefined) return undefined
  const number = BigInt(digits)
  return number < UINT64_LIMIT ? number : undefined
}
