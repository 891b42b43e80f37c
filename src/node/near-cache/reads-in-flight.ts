/** A read that is under way: what it brings may be kept unless something happened to the key meanwhile. */
export interface ReadInFlight {
  readonly key: string
  doubtful: boolean
  readers: number
}

/**
 * The reads under way, by key. A value and the news that it has changed come on two connections, so the news can
 * overtake the value: the mark that a read leaves here is where both meet. Source: "Avoiding race conditions" in
 * https://redis.io/docs/latest/develop/reference/client-side-caching/. Reads of one key share a mark.
 */
export class ReadsInFlight {
  readonly #reads = new Map<string, ReadInFlight>()

  begin(key: string, doubtful: boolean): ReadInFlight {
    const read = this.#reads.get(key) ?? { key, doubtful: false, readers: 0 }
    read.readers += 1
    if (doubtful) read.doubtful = true
    this.#reads.set(key, read)
    return read
  }

  end(read: ReadInFlight): void {
    read.readers -= 1
    if (read.readers === 0) this.#reads.delete(read.key)
  }

  doubt(key: string): void {
    const read = this.#reads.get(key)
    if (read !== undefined) read.doubtful = true
  }

  doubtAll(): void {
    for (const read of this.#reads.values()) read.doubtful = true
  }
}
