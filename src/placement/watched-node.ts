import type { Clock } from '../clock.js'
import { NodeRefusedError, NodeUnreachableError } from '../errors.js'
import type { ServerFigures } from '../node/server-figures.js'
import type {
  Expected,
  Fence,
  NearCacheFigures,
  PutOptions,
  PutResult,
  Renewal,
  ReplicaShortfall,
  StorageNode,
  StoredValue,
} from '../node/storage-node.js'
import type { RandomSource } from '../random.js'
import { durationBounds, Histogram, type HistogramSnapshot } from '../statistics/histogram.js'
import { AnswerTimes } from './answer-times.js'
import { type HealthState, NodeHealth } from './node-health.js'

/** How long a node may be down before sessions that can only be on it count as lost, in milliseconds. */
const LOST_AFTER = 10_000
/** Milliseconds between two looks at what a server tells about itself. */
const FIGURES_EVERY = 15_000
/** Milliseconds after its return in which servers give a node back what it has lost. */
const REFILL_TIME = 5000

/** What a watched node tells about itself. */
export interface NodeObserver {
  nodeDown(node: WatchedNode, reason: Error): void
  /** It answers reads, and takes no writes. */
  nodeReadOnly(node: WatchedNode, reason: Error): void
  /** It was down or read-only. */
  nodeUp(node: WatchedNode): void
  /** It works, and has refused one operation. */
  nodeRefused(node: WatchedNode, reason: NodeRefusedError): void
  /** A new connection stands where an old one was: the server may have been restarted, and may be empty. */
  nodeReconnected(node: WatchedNode): void
  /** Another server process answers than before: what it has may be nothing, or old. */
  nodeReplaced(node: WatchedNode): void
  /** A write is stored, and fewer replicas than wanted have it. */
  replicasMissing(node: WatchedNode, shortfall: ReplicaShortfall): void
  /** The server had no room for so many values more, and gave them up before their time. */
  nodeEvicted(node: WatchedNode, values: number): void
}

export interface WatchOptions {
  clock: Clock
  random: RandomSource
  /** Milliseconds between two probes; asked anew each time. */
  probeInterval: () => number
  /** Milliseconds that an operation may take; asked anew each time. */
  operationTimeout: () => number
}

/**
 * `leaving`: it was taken out of the configuration, and sessions of this server are on it. `left`: none are, and it may be read, as other
 * servers may use it still.
 */
export type NodeDuty = 'configured' | 'leaving' | 'left'

/** What a storage node last did wrong. */
export interface NodeProblem {
  /** A sentence without its subject, which is the storage node: `can't be reached: nothing listens there (ECONNREFUSED)`. */
  message: string
  /** Milliseconds since the epoch. */
  at: number
}

export interface NodeStatus {
  id: string | undefined
  address: string
  state: HealthState
  draining: boolean
  /** Milliseconds since it went down; 0 while it is not. */
  downFor: number
  /** Why it was last down, read-only, or refused something; it stays when the node works again. `undefined`: it never was. */
  lastError: NodeProblem | undefined
  operations: number
  errors: number
  latency: HistogramSnapshot
  /** What the server last told about itself; `undefined`: nothing, or not yet. */
  server: ServerFigures | undefined
  /** `undefined`: nothing of the node is kept in memory. */
  nearCache: NearCacheFigures | undefined
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
  /** What it is to this server. */
  duty: NodeDuty = 'configured'
  private readonly node: StorageNode
  private readonly observer: NodeObserver
  private readonly clock: Clock
  private readonly health: NodeHealth
  private readonly latency = new Histogram(durationBounds)
  private readonly answers: AnswerTimes
  private operations = 0
  private errors = 0
  private problem: NodeProblem | undefined
  private serverFigures: ServerFigures | undefined
  private figuresReadAt = Number.NEGATIVE_INFINITY
  private returnedAt = Number.NEGATIVE_INFINITY
  private hasServed = false
  private reached = false
  private isRefusing = false
  private seenConnections = 0
  private seenIncarnation: string | undefined

  constructor(node: StorageNode, options: WatchOptions, observer: NodeObserver) {
    this.id = node.id
    this.address = node.address
    this.node = node
    this.observer = observer
    this.clock = options.clock
    this.answers = new AnswerTimes(options.clock, options.operationTimeout)
    this.health = new NodeHealth({
      probe: () => this.probe(),
      interval: options.probeInterval,
      clock: options.clock,
      random: options.random,
      onDown: (reason) => observer.nodeDown(this, reason),
      onReadOnly: (reason) => observer.nodeReadOnly(this, reason),
      onUp: () => {
        /* Until it is reached for the first time, nobody here can know of anything that it has lost. */
        if (this.hasServed) this.returnedAt = this.clock.monotonic()
        observer.nodeUp(this)
      },
    })
  }

  /** For people and metrics: the id, `default` for the anonymous node. */
  get name(): string {
    return this.id ?? 'default'
  }

  get maxValueBytes(): number {
    return this.node.maxValueBytes
  }

  get connections(): number {
    return this.node.connections
  }

  get incarnation(): string | undefined {
    return this.node.incarnation
  }

  get state(): HealthState {
    return this.health.state
  }

  /** Whether it has given a good answer since the start. */
  get wasReached(): boolean {
    return this.reached
  }

  /** Why it was last down, read-only, or refused something. */
  get lastError(): NodeProblem | undefined {
    return this.problem
  }

  /** What the server last told about itself; `undefined`: nothing, or not yet. */
  get server(): ServerFigures | undefined {
    return this.serverFigures
  }

  /** What it does wrong at present, as a sentence without its subject; `undefined`: it works. */
  get trouble(): string | undefined {
    return this.state === 'up' || this.state === 'suspect' ? undefined : this.problem?.message
  }

  /** Whether backups can be written here. */
  get isUsable(): boolean {
    return this.takesWrites && !this.draining
  }

  /** Whether it answers nothing at present, although it has been asked: not long enough to count as down, far longer than usual. */
  get isStalled(): boolean {
    return this.answers.isStalled
  }

  /** Milliseconds for which it has answered nothing, although it has been asked; 0: there is nothing to answer. */
  get silence(): number {
    return this.answers.silence
  }

  /**
   * Resolves when work that waits for this node is over (`false`), or as soon as the node has let it wait for far longer than it usually
   * does (`true`): then another copy may answer sooner. The work goes on.
   */
  isLate(work: Promise<unknown>): Promise<boolean> {
    return this.answers.isLate(work)
  }

  /** Whether the node was away, or lost what it had, a moment ago: what is not on it yet may be on its way there. */
  returnedRecently(): boolean {
    return this.clock.monotonic() - this.returnedAt < REFILL_TIME
  }

  /** What was on the node is gone. */
  emptied(): void {
    this.returnedAt = this.clock.monotonic()
  }

  /** Whether the node stopped answering a moment ago: what is on it counts as out of reach, not as lost. */
  failedRecently(): boolean {
    return this.health.state === 'suspect' || (this.health.state === 'down' && this.health.knownDownFor() < LOST_AFTER)
  }

  /** Whether nobody uses the node: its place takes no connections, so no process is there, or an operator has it drained. */
  get isGone(): boolean {
    return this.health.state === 'down' && (this.isRefusing || this.draining)
  }

  start(): void {
    this.health.start()
  }

  /** Finds out now whether the node works. Never rejects. */
  check(): Promise<void> {
    return this.health.check()
  }

  /* To renew is to write. */
  get(key: string, renewTo?: number): Promise<StoredValue | undefined> {
    if (this.health.state === 'down') return this.refuse()
    return this.watched(this.takesWrites ? this.node.get(key, renewTo) : this.node.get(key))
  }

  verify(key: string, seen: Fence, renewTo: number): Promise<'unchanged' | StoredValue | undefined> {
    return this.takesWrites ? this.watched(this.node.verify(key, seen, renewTo)) : this.get(key)
  }

  get caches(): boolean {
    return this.node.caches === true
  }

  /* An answer from memory is no operation, and says nothing about the server. */
  getCached(key: string, renewal: Renewal): StoredValue | Promise<StoredValue | undefined> {
    if (this.health.state === 'down') return this.refuse()
    if (this.node.getCached === undefined || !this.takesWrites) return this.get(key, renewal.to)
    const answer = this.node.getCached(key, renewal)
    return answer instanceof Promise ? this.watched(answer) : answer
  }

  put(key: string, bytes: Uint8Array, deadline: number, expected: Expected, options?: PutOptions): Promise<PutResult> {
    if (!this.takesWrites) return this.refuse()
    const result = this.watched(this.node.put(key, bytes, deadline, expected, options))
    return options?.durable ? this.withReplicas(result) : result
  }

  touch(key: string, deadline: number): Promise<boolean> {
    if (!this.takesWrites) return this.refuse()
    return this.watched(this.node.touch(key, deadline))
  }

  delete(key: string, expected?: Fence): Promise<'deleted' | 'absent' | 'refused'> {
    if (!this.takesWrites) return this.refuse()
    return this.watched(this.node.delete(key, expected))
  }

  ping(): Promise<void> {
    if (this.health.state === 'down') return this.refuse()
    return this.watched(this.node.ping())
  }

  status(): NodeStatus {
    return {
      id: this.id,
      address: this.address,
      state: this.state,
      draining: this.draining,
      downFor: this.health.downFor(),
      lastError: this.problem,
      operations: this.operations,
      errors: this.errors,
      latency: this.latency.snapshot(),
      server: this.serverFigures,
      nearCache: this.node.cacheFigures?.(),
    }
  }

  close(): Promise<void> {
    this.health.close()
    return this.node.close()
  }

  private get takesWrites(): boolean {
    return this.health.state === 'up' || this.health.state === 'suspect'
  }

  private refuse(): Promise<never> {
    const why = this.problem === undefined ? '' : `: ${this.problem.message}`
    if (this.health.state === 'down') {
      return Promise.reject(new NodeUnreachableError(`storage node ${this.address} is down${why}`))
    }
    const message = `storage node ${this.address} takes no writes${why}`
    return Promise.reject(new NodeRefusedError(message, { refuses: 'writes' }))
  }

  private watched<T>(operation: Promise<T>): Promise<T> {
    const started = this.answers.begin()
    this.operations++
    return operation.then(
      (result) => {
        const duration = this.clock.monotonic() - started
        this.latency.record(duration)
        this.answers.answered(duration)
        this.health.succeeded()
        this.hasServed = true
        this.noticeConnection()
        return result
      },
      (error) => {
        this.errors++
        this.answers.failed()
        this.noticeFailure(error)
        throw error
      },
    )
  }

  /* Any other error is about this one value: it says nothing against the node. */
  private noticeFailure(error: unknown): void {
    if (error instanceof NodeUnreachableError) {
      this.note(error)
      this.health.failed(error)
    } else if (error instanceof NodeRefusedError) {
      this.note(error)
      if (error.refuses === 'writes') this.health.refusedWrites(error)
      else if (error.refuses === 'everything') this.health.failed(error)
      else this.observer.nodeRefused(this, error)
    }
  }

  private note(error: Error): void {
    const { message } = error
    this.isRefusing = refusesConnections(error)
    const subject = `storage node ${this.address} `
    const text = message.startsWith(subject) ? message.slice(subject.length) : message
    this.problem = { message: text, at: this.clock.now() }
  }

  private async withReplicas(result: Promise<PutResult>): Promise<PutResult> {
    const settled = await result
    if (settled.stored && settled.shortfall !== undefined) this.observer.replicasMissing(this, settled.shortfall)
    return settled
  }

  private async probe(): Promise<void> {
    try {
      await this.node.ping()
    } catch (error) {
      this.note(error as Error)
      throw error
    }
    this.noticeConnection()
    void this.readFigures()
  }

  /* Beside the probe, and seldom: what it costs the server is not to be felt. That it tells nothing says nothing of its health. */
  private async readFigures(): Promise<void> {
    const now = this.clock.monotonic()
    if (this.node.figures === undefined || now - this.figuresReadAt < FIGURES_EVERY) return
    this.figuresReadAt = now
    try {
      const before = this.serverFigures?.evictions
      this.serverFigures = await this.node.figures()
      const { evictions } = this.serverFigures
      /* After a restart it begins to count again. */
      if (evictions !== undefined && before !== undefined && evictions > before)
        this.observer.nodeEvicted(this, evictions - before)
    } catch {
      this.serverFigures = undefined
    }
  }

  private noticeConnection(): void {
    this.reached = true
    const { connections, incarnation } = this.node
    if (connections === this.seenConnections && incarnation === this.seenIncarnation) return
    const first = this.seenConnections === 0
    const reconnected = connections !== this.seenConnections
    this.seenConnections = connections
    const replaced = this.noticeIncarnation(incarnation)
    this.clock.inBackground(() => {
      if (replaced) this.observer.nodeReplaced(this)
      else if (!first && reconnected) this.observer.nodeReconnected(this)
    })
  }

  /** @returns whether another process than the last known one answers. */
  private noticeIncarnation(incarnation: string | undefined): boolean {
    if (incarnation === undefined || incarnation === this.seenIncarnation) return false
    const known = this.seenIncarnation !== undefined
    this.seenIncarnation = incarnation
    return known
  }
}

/* Libraries wrap it, some more than once. */
function refusesConnections(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return true
    if (cause instanceof AggregateError && cause.errors.every(refusesConnections)) return true
  }
  return false
}
