import type { StoredValue } from '../storage-node.js'

/** A value as it was read, while it may be used again. */
export interface CachedValue {
  readonly value: StoredValue
  /** When it was asked for, on the clock of `performance.now()`. */
  readonly readAt: number
  /** When it expires on the server, in milliseconds since the epoch; 0: never. */
  readonly deadline: number
  /** A later expiry is on its way to the server. */
  renewing: boolean
}

/** What an entry takes beside key and value, roughly: the objects around them and their place in the map. */
const OVERHEAD = 512

/** Values under keys, bounded in bytes: those that were used least recently go first. */
export class CachedValues {
  /** Of all entries, with what stands around the values. */
  bytes = 0
  /* A Map keeps the order of insertion; what is used is inserted again. */
  readonly #entries = new Map<string, CachedValue>()

  get size(): number {
    return this.#entries.size
  }

  /** @param oldest what was read before is dropped instead (`performance.now()`) */
  get(key: string, oldest: number): CachedValue | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    if (entry.readAt < oldest) {
      this.bytes -= sizeOf(key, entry)
      return undefined
    }
    this.#entries.set(key, entry)
    return entry
  }

  set(key: string, entry: CachedValue, maxBytes: number): void {
    this.delete(key)
    const size = sizeOf(key, entry)
    if (size > maxBytes) return
    this.#entries.set(key, entry)
    this.bytes += size
    this.shrink(maxBytes)
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.bytes -= sizeOf(key, entry)
  }

  shrink(maxBytes: number): void {
    for (const key of this.#entries.keys()) {
      if (this.bytes <= maxBytes) return
      this.delete(key)
    }
  }

  /** Drops what was not used since then. Ends at the first entry that may have been, so it never walks them all in vain. */
  dropUnused(since: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.readAt >= since) return
      this.delete(key)
    }
  }

  /** @returns whether there was anything. */
  clear(): boolean {
    const had = this.#entries.size > 0
    this.#entries.clear()
    this.bytes = 0
    return had
  }
}

/* Keys are ASCII. */
function sizeOf(key: string, { value }: CachedValue): number {
  return OVERHEAD + key.length + value.bytes.length
}
