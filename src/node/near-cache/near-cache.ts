import { type Clock, systemClock } from '../../clock.js'
import type { RedisAddress } from '../redis/redis-address.js'
import type { RedisStorageNode } from '../redis/redis-node.js'
import { RedisTracking } from '../redis/redis-tracking.js'
import type { ServerFigures } from '../server-figures.js'
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
import { type CachedValue, CachedValues } from './cached-values.js'
import { ReadsInFlight } from './reads-in-flight.js'

export interface NearCacheLimits {
  /** Bytes of all entries. */
  maxBytes: number
  /** Milliseconds that an entry is used at most. */
  maxAge: number
}

export interface NearCacheOptions {
  /** `undefined`: nothing is kept at present. */
  limits: () => NearCacheLimits | undefined
  /** What the keys that are read begin with. */
  keyPrefix: string
  /** Entries were dropped because nobody could vouch for them any more. */
  onFlush?: () => void
}

export interface NearCacheContext {
  address: RedisAddress
  /** Milliseconds. */
  operationTimeout: () => number
  clock?: Clock
}

/** Milliseconds without a cached read after which the server's news are cancelled: they cost it something. */
const IDLE_AFTER = 60_000

/** A node on Redis that answers reads from this process' memory, as long as the server tells what has changed. */
export function createNearCache(
  node: RedisStorageNode,
  options: NearCacheOptions,
  context: NearCacheContext,
): StorageNode {
  return new NearCache(node, options, context)
}

class NearCache implements StorageNode {
  readonly id: string | undefined
  readonly address: string
  readonly maxValueBytes: number
  readonly #node: RedisStorageNode
  readonly #options: NearCacheOptions
  readonly #clock: Clock
  readonly #tracking: RedisTracking
  readonly #values = new CachedValues()
  readonly #reads = new ReadsInFlight()
  #seenConnections = 0
  #usedAt = 0
  #closed = false

  constructor(node: RedisStorageNode, options: NearCacheOptions, context: NearCacheContext) {
    this.id = node.id
    this.address = node.address
    this.maxValueBytes = node.maxValueBytes
    this.#node = node
    this.#options = options
    this.#clock = context.clock ?? systemClock
    this.#tracking = new RedisTracking(node, {
      address: context.address,
      operationTimeout: context.operationTimeout,
      prefix: serverPrefix(node, options.keyPrefix),
      onInvalidated: (keys) => this.#invalidate(keys),
      onCheck: () => this.#tidy(),
    })
  }

  get connections(): number {
    return this.#node.connections
  }

  get incarnation(): string | undefined {
    return this.#node.incarnation
  }

  get caches(): boolean {
    return this.#options.limits() !== undefined
  }

  getCached(key: string, renewal: Renewal): StoredValue | Promise<StoredValue | undefined> {
    const limits = this.#options.limits()
    if (limits === undefined || this.#closed) return this.#node.get(key, renewal.to)
    const now = performance.now()
    this.#usedAt = now
    this.#tracking.start()
    const serverKey = this.#node.serverKey(key)
    const trusted = this.#isTrusted(now)
    const entry = trusted ? this.#values.get(serverKey, now - limits.maxAge) : undefined
    if (entry === undefined || this.#hasExpired(entry)) return this.#read(key, serverKey, renewal, trusted)
    if (!entry.renewing && isDue(entry, renewal)) void this.#renew(key, serverKey, entry, renewal.to)
    return entry.value
  }

  cacheFigures(): NearCacheFigures | undefined {
    if (!this.caches) return undefined
    const { size: entries, bytes } = this.#values
    return { entries, bytes, tracking: this.#tracking.trusted(performance.now()), problem: this.#tracking.problem }
  }

  get(key: string, renewTo?: number): Promise<StoredValue | undefined> {
    return this.#node.get(key, renewTo)
  }

  put(key: string, bytes: Uint8Array, deadline: number, expected: Expected, options?: PutOptions): Promise<PutResult> {
    return this.#changing(key, this.#node.put(key, bytes, deadline, expected, options))
  }

  verify(key: string, seen: Fence, renewTo: number): Promise<'unchanged' | StoredValue | undefined> {
    return this.#node.verify(key, seen, renewTo)
  }

  touch(key: string, deadline: number): Promise<boolean> {
    return this.#changing(key, this.#node.touch(key, deadline))
  }

  delete(key: string, expected?: Fence): Promise<'deleted' | 'absent' | 'refused'> {
    return this.#changing(key, this.#node.delete(key, expected))
  }

  figures(thorough?: boolean): Promise<ServerFigures> {
    return this.#node.figures(thorough)
  }

  ping(): Promise<void> {
    return this.#node.ping()
  }

  close(): Promise<void> {
    this.#closed = true
    this.#tracking.stop()
    return this.#node.close()
  }

  async #read(key: string, serverKey: string, renewal: Renewal, trusted: boolean): Promise<StoredValue | undefined> {
    const readAt = performance.now()
    const read = this.#reads.begin(serverKey, !trusted)
    try {
      const found = await this.#node.getRenewing(key, renewal)
      if (found === undefined) return undefined
      const { value, deadline } = found
      const limits = this.#options.limits()
      if (limits !== undefined && this.#isTrusted(performance.now()) && !read.doubtful) {
        this.#values.set(serverKey, { value, deadline, readAt, renewing: false }, limits.maxBytes)
      }
      return value
    } finally {
      this.#reads.end(read)
    }
  }

  /** The server tells all others, and us, that the key has changed: so the entry goes, and the next read brings its new end. */
  async #renew(key: string, serverKey: string, entry: CachedValue, deadline: number): Promise<void> {
    entry.renewing = true
    await this.#node.touch(key, deadline).catch(() => {})
    this.#drop(serverKey)
  }

  /**
   * What this process changes is not in its memory from the beginning to the end of the operation, even where the news
   * are slower than the answer. The new value is not kept: another write may have come after ours, and the next read tells.
   */
  #changing<T>(key: string, operation: Promise<T>): Promise<T> {
    /* Nothing is kept, and what is asked for from now on comes after this. */
    if (!this.#tracking.running) return operation
    const serverKey = this.#node.serverKey(key)
    this.#drop(serverKey)
    return operation.finally(() => this.#drop(serverKey))
  }

  #isTrusted(now: number): boolean {
    const { connections } = this.#node
    if (connections !== this.#seenConnections) {
      this.#seenConnections = connections
      this.#flush()
    }
    return this.#tracking.trusted(now)
  }

  #hasExpired({ deadline }: CachedValue): boolean {
    return deadline !== 0 && deadline <= this.#clock.now()
  }

  #invalidate(keys: readonly string[] | undefined): void {
    if (keys === undefined) this.#flush()
    else for (const key of keys) this.#drop(key)
  }

  #drop(serverKey: string): void {
    this.#values.delete(serverKey)
    this.#reads.doubt(serverKey)
  }

  #flush(): void {
    this.#reads.doubtAll()
    if (this.#values.clear()) this.#options.onFlush?.()
  }

  /** Once a second while it is in use. */
  #tidy(): void {
    const limits = this.#options.limits()
    const now = performance.now()
    if (limits === undefined || now - this.#usedAt > IDLE_AFTER) {
      this.#tracking.stop()
      return
    }
    this.#values.shrink(limits.maxBytes)
    this.#values.dropUnused(now - limits.maxAge)
  }
}

/** What the keys begin with as the server calls them: in a cluster a brace can stand before the end of the prefix. */
function serverPrefix(node: RedisStorageNode, keyPrefix: string): string {
  const sample = node.serverKey(`${keyPrefix}x`)
  return sample.slice(0, sample.lastIndexOf('x'))
}

/** Whether the server would let the value expire too early. */
function isDue({ deadline }: CachedValue, { to, slack }: Renewal): boolean {
  if (deadline === 0) return false
  return to === 0 || deadline < to - slack
}
