import { NodeUnreachableError } from '../errors.js'
import type { Expected, PutResult, StorageNode, StoredValue, VersionToken } from '../node/storage-node.js'
import { durationBounds, Histogram, type HistogramSnapshot } from '../statistics/histogram.js'
import { type HealthState, NodeHealth } from './node-health.js'

/** What a watched node tells about itself. */
export interface NodeObserver {
  nodeDown(node: WatchedNode): void
  nodeUp(node: WatchedNode): void
  /** A new connection stands where an old one was: the server may have been restarted, and may be empty. */
  nodeReconnected(node: WatchedNode): void
}

export interface NodeStatus {
  id: string | undefined
  address: string
  state: HealthState
  draining: boolean
  operations: number
  errors: number
  latency: HistogramSnapshot
}

/**
 * A storage node with its health: every outcome is reported to the breaker and measured, and while the node is down
 * operations are refused at once instead of being tried.
 */
export class WatchedNode implements StorageNode {
  readonly id: string | undefined
  readonly address: string
  /** No new backups; those that are here move away. */
  draining = false
  private readonly node: StorageNode
  private readonly observer: NodeObserver
  private readonly health: NodeHealth
  private readonly latency = new Histogram(durationBounds)
  private operations = 0
  private errors = 0
  private seenConnections = 0

  constructor(node: StorageNode, probeInterval: () => number, observer: NodeObserver) {
    this.id = node.id
    this.address = node.address
    this.node = node
    this.observer = observer
    this.health = new NodeHealth({
      probe: () => this.probe(),
      interval: probeInterval,
      onDown: () => observer.nodeDown(this),
      onUp: () => observer.nodeUp(this),
    })
  }

  get maxValueBytes(): number {
    return this.node.maxValueBytes
  }

  get connections(): number {
    return this.node.connections
  }

  get state(): HealthState {
    return this.health.state
  }

  /** Whether backups can be written here. */
  get isUsable(): boolean {
    return this.health.state !== 'down' && !this.draining
  }

  /** Milliseconds since the node went down; 0 while it is not. */
  downFor(): number {
    return this.health.downFor()
  }

  start(): void {
    this.health.start()
  }

  /** Finds out now whether the node works. Never rejects. */
  check(): Promise<void> {
    return this.health.check()
  }

  get(key: string, renewTo?: number): Promise<StoredValue | undefined> {
    return this.watch(() => this.node.get(key, renewTo))
  }

  put(key: string, bytes: Uint8Array, deadline: number, expected: Expected): Promise<PutResult> {
    return this.watch(() => this.node.put(key, bytes, deadline, expected))
  }

  touch(key: string, deadline: number): Promise<boolean> {
    return this.watch(() => this.node.touch(key, deadline))
  }

  delete(key: string, expected?: VersionToken): Promise<'deleted' | 'absent' | 'refused'> {
    return this.watch(() => this.node.delete(key, expected))
  }

  ping(): Promise<void> {
    return this.watch(() => this.node.ping())
  }

  status(): NodeStatus {
    return {
      id: this.id,
      address: this.address,
      state: this.state,
      draining: this.draining,
      operations: this.operations,
      errors: this.errors,
      latency: this.latency.snapshot(),
    }
  }

  close(): Promise<void> {
    this.health.close()
    return this.node.close()
  }

  private async watch<T>(operation: () => Promise<T>): Promise<T> {
    if (this.health.state === 'down') throw new NodeUnreachableError(`storage node ${this.address} is down`)
    const started = performance.now()
    this.operations++
    try {
      const result = await operation()
      this.latency.record(performance.now() - started)
      this.health.succeeded()
      this.noticeConnection()
      return result
    } catch (error) {
      this.errors++
      /* Any other error is an answer: it says nothing against the node's health. */
      if (error instanceof NodeUnreachableError) this.health.failed()
      throw error
    }
  }

  private async probe(): Promise<void> {
    await this.node.ping()
    this.noticeConnection()
  }

  private noticeConnection(): void {
    const { connections } = this.node
    if (connections === this.seenConnections) return
    const first = this.seenConnections === 0
    this.seenConnections = connections
    if (!first) this.observer.nodeReconnected(this)
  }
}
