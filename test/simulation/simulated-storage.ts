import { ClosedError, NodeUnreachableError } from '../../src/errors.js'
import type { Expected, Fence, PutResult, StorageNode, StoredValue } from '../../src/node/storage-node.js'
import type { SimulatedServer } from './simulated-server.js'
import type { World } from './world.js'

export type StorageKind = 'memcached' | 'redis'
/** What a storage server has when it comes back. */
export type Kept = 'all' | 'nothing' | 'snapshot'

interface Item {
  bytes: Buffer
  /** 0: never. */
  deadline: number
  cas: number
}

/** Rules of the storage that are broken on purpose, to see whether the simulation notices. */
export interface StoragePlants {
  /** Fenced writes succeed whatever stands there. */
  noFence?: boolean
  /** Only the first node takes ends of sessions; the others say that they did. */
  endsOnOneNode?: boolean
  /** A read that renews cuts the life of an end, and nothing gives it back. */
  cutsEnds?: boolean
}

/** One storage server: its data, and how it behaves. */
export class SimulatedStorage {
  readonly id: string
  readonly kind: StorageKind
  isUp = true
  /** Until then it answers nothing, and works on nothing. */
  private startedAt = Number.NEGATIVE_INFINITY
  hangsUntil = 0
  /** Which process it is: another one after each restart. */
  incarnation = 1
  private items = new Map<string, Item>()
  private snapshot = new Map<string, Item>()
  private counter = 0
  private readonly world: World
  private readonly plants: StoragePlants

  constructor(world: World, id: string, kind: StorageKind, plants: StoragePlants) {
    this.world = world
    this.id = id
    this.kind = kind
    this.plants = plants
  }

  stop(): void {
    this.isUp = false
  }

  /** memcached comes back empty, whatever is asked. */
  start(kept: Kept): void {
    if (this.kind === 'memcached' || kept === 'nothing') this.items = new Map()
    else if (kept === 'snapshot') this.items = copyOf(this.snapshot)
    if (this.kind === 'memcached') this.counter = 0
    this.incarnation++
    this.isUp = true
    this.startedAt = this.world.now
  }

  /** Now, or so lately that servers may not have noticed the end of it. */
  get wasAway(): boolean {
    const lately = this.world.now - 6000
    return !this.isUp || this.hangsUntil > lately || this.startedAt > lately
  }

  takeSnapshot(): void {
    this.snapshot = copyOf(this.items)
  }

  get(key: string, renewTo?: number): Item | undefined {
    const item = this.live(key)
    if (item !== undefined && renewTo !== undefined) item.deadline = this.granular(renewTo)
    return item
  }

  put(key: string, bytes: Buffer, deadline: number, holds: (item: Item | undefined) => boolean): Item | undefined {
    if (!this.plants.noFence && !holds(this.live(key))) return undefined
    const item = { bytes, deadline: this.granular(deadline), cas: ++this.counter }
    if (this.plants.endsOnOneNode && this.id !== 'n1' && isTombstone(bytes)) return item
    this.items.set(key, item)
    return item
  }

  touch(key: string, deadline: number): boolean {
    const item = this.live(key)
    if (item === undefined) return false
    if (!this.plants.cutsEnds || !isTombstone(item.bytes)) item.deadline = this.granular(deadline)
    return true
  }

  delete(key: string, holds: (item: Item | undefined) => boolean): 'deleted' | 'absent' | 'refused' {
    const item = this.live(key)
    if (item === undefined) return 'absent'
    if (!holds(item)) return 'refused'
    this.items.delete(key)
    return 'deleted'
  }

  /** What stands under each key now. */
  contents(): Map<string, Buffer> {
    const keys = [...this.items.keys()].filter((key) => this.live(key) !== undefined)
    return new Map(keys.map((key) => [key, (this.items.get(key) as Item).bytes]))
  }

  private live(key: string): Item | undefined {
    const item = this.items.get(key)
    if (item === undefined || item.deadline === 0 || item.deadline > this.world.now) return item
    this.items.delete(key)
    return undefined
  }

  /* memcached counts in whole seconds, and may drop a value that much too early. */
  private granular(deadline: number): number {
    if (deadline === 0) return 0
    if (this.kind === 'redis') return Math.max(deadline, this.world.now + 1)
    return Math.max(Math.floor(deadline / 1000) * 1000, Math.floor(this.world.now / 1000) * 1000 + 1000)
  }
}

interface SimulatedFence extends Fence {
  connection: number
  cas: number
  bytes: Buffer
}

/** How long an answer takes on a good day, in milliseconds. */
const latency = { least: 0.2, most: 4 }

/** One server's way to one storage: operations take time, get lost, and meet what stands there then. */
export class SimulatedNode implements StorageNode {
  readonly id: string
  readonly address: string
  readonly maxValueBytes = 1024 * 1024
  connections = 1
  private readonly world: World
  private readonly server: SimulatedServer
  private readonly storage: SimulatedStorage
  private seen: number
  private closed = false

  constructor(world: World, server: SimulatedServer, storage: SimulatedStorage) {
    this.world = world
    this.server = server
    this.storage = storage
    this.id = storage.id
    this.address = `${storage.kind}://${storage.id}`
    this.seen = storage.incarnation
  }

  /** memcached does not tell. */
  get incarnation(): string | undefined {
    return this.storage.kind === 'redis' ? String(this.seen) : undefined
  }

  get(key: string, renewTo?: number): Promise<StoredValue | undefined> {
    return this.operation(() => {
      const item = this.storage.get(key, renewTo)
      return item && { bytes: Buffer.from(item.bytes), fence: this.fence(item) }
    })
  }

  put(key: string, bytes: Uint8Array, deadline: number, expected: Expected): Promise<PutResult> {
    const copy = Buffer.from(bytes)
    return this.operation(() => {
      const item = this.storage.put(key, copy, deadline, (there) => this.holds(there, expected))
      return item === undefined ? { stored: false } : { stored: true, fence: this.fence(item) }
    })
  }

  /* As memcached before 1.6.40 does it: what has changed is read in a second step, and may change once more before it. */
  async verify(key: string, seen: Fence, renewTo: number): Promise<'unchanged' | StoredValue | undefined> {
    if (this.storage.kind === 'memcached' && (seen as SimulatedFence).connection !== this.connections)
      return this.get(key, renewTo)
    const found = await this.operation(() => {
      const item = this.storage.get(key, renewTo)
      if (item === undefined) return undefined
      return this.holds(item, seen) ? 'unchanged' : 'changed'
    })
    return found === 'changed' ? this.get(key) : found
  }

  touch(key: string, deadline: number): Promise<boolean> {
    return this.operation(() => this.storage.touch(key, deadline))
  }

  delete(key: string, expected?: Fence): Promise<'deleted' | 'absent' | 'refused'> {
    return this.operation(() => this.storage.delete(key, (there) => this.holds(there, expected ?? 'any')))
  }

  ping(): Promise<void> {
    return this.operation(() => undefined)
  }

  async close(): Promise<void> {
    this.closed = true
  }

  private fence({ cas, bytes }: Item): SimulatedFence {
    return { connection: this.connections, cas, bytes }
  }

  /* memcached's numbers count within a connection, Redis compares the content. */
  private holds(item: Item | undefined, expected: Expected): boolean {
    if (expected === 'any') return true
    if (expected === 'absent') return item === undefined
    const fence = expected as SimulatedFence
    if (item === undefined) return false
    if (this.storage.kind === 'redis') return item.bytes.equals(fence.bytes)
    return fence.connection === this.connections && item.cas === fence.cas
  }

  private operation<T>(work: () => T): Promise<T> {
    if (this.closed) return Promise.reject(new ClosedError(`storage node ${this.address}`))
    const { world, server } = this
    return new Promise((resolve, reject) => {
      const life = server.life
      const give = (settle: () => void) => server.whenRunning(life, settle)
      let over = false
      const timeout = world.after(server.operationTimeout, () => {
        over = true
        this.reconnect()
        give(() => reject(new NodeUnreachableError(`storage node ${this.address} did not answer in time`)))
      })
      const answer = (result: T) => {
        if (over || server.isCutFrom(this.id)) return
        timeout.run = undefined
        give(() => resolve(result))
      }
      world.after(world.random.between(latency.least, latency.most) / 2, () => this.arrive(work, answer))
    })
  }

  /* What arrives at a storage that hangs is worked on when it wakes up, however late that is. */
  private arrive<T>(work: () => T, answer: (result: T) => void): void {
    const { world, storage, server } = this
    if (!storage.isUp || server.isCutFrom(this.id)) return
    if (storage.hangsUntil > world.now) {
      world.after(storage.hangsUntil - world.now, () => this.arrive(work, answer))
      return
    }
    if (this.seen !== storage.incarnation) this.reconnect()
    const result = work()
    world.after(world.random.between(latency.least, latency.most) / 2, () => answer(result))
  }

  private reconnect(): void {
    this.connections++
    this.seen = this.storage.incarnation
  }
}

/* Where a record says of which kind it is: see record-format.ts. */
function isTombstone(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 2) === 'HF' && bytes[3] === 1
}

function copyOf(items: Map<string, Item>): Map<string, Item> {
  return new Map(Array.from(items, ([key, item]) => [key, { ...item }]))
}
