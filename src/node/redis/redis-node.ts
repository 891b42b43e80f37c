import { type Clock, systemClock } from '../../clock.js'
import { ClosedError, NodeRefusedError, NodeUnreachableError, ProtocolError, refusesWrites } from '../../errors.js'
import type { HostAndPort } from '../address/host.js'
import { checkItemSize } from '../item-size.js'
import { ownBytes } from '../own-bytes.js'
import type { ServerFigures } from '../server-figures.js'
import type { Expected, Fence, PutOptions, PutResult, Renewal, StorageNode, StoredValue } from '../storage-node.js'
import { ContentFence } from './content-fence.js'
import type { RedisAddress } from './redis-address.js'
import { RedisClient } from './redis-client.js'
import type { ReplicaWait } from './redis-durable-writes.js'
import { readRedisFigures } from './redis-figures.js'
import { requireMaster } from './redis-handshake.js'
import type { RedisArgument, RedisCommand } from './redis-operation.js'
import type { RedisRoute } from './redis-route.js'
import { deleteScript, persistScript, putScript, type RedisScript, readScript } from './redis-scripts.js'
import { openRedisRoute } from './redis-topology.js'
import { forbidsScripts, lacksComparison, neither, tryWrites } from './redis-write-trial.js'

export interface RedisNodeOptions {
  /** `[A-Za-z0-9_]+`, or `undefined` for the one anonymous node. */
  id: string | undefined
  address: RedisAddress
  /** Milliseconds that each operation may take, including the time to connect; a function when that may change. */
  operationTimeout: number | (() => number)
  /** Replicas that durable writes wait for; a function when that may change. Default: none. */
  wait?: ReplicaWait | (() => ReplicaWait | undefined)
  /** Largest value in bytes. Default: 16 MiB. */
  maxValueBytes?: number
  /** Default: 10,000. */
  maxPending?: number
  /** Bytes of requests that wait for their replies, a connection. Default: 64 MiB. */
  maxPendingBytes?: number
  /** Milliseconds without a new attempt after a connection that never answered. Default: 50. */
  reconnectPause?: number
  /** A key that is written to find out whether writes are taken, when there is a doubt. Default: `holdfast:probe`. */
  probeKey?: string
  clock?: Clock
}

/** A value and when it expires. */
export interface RenewedValue {
  value: StoredValue
  /** Rather too early than too late; 0: never. */
  deadline: number
}

/** What a node on Redis does beyond the contract, for the near cache. */
export interface RedisStorageNode extends StorageNode {
  figures(thorough?: boolean): Promise<ServerFigures>
  /** The masters of the cluster as far as they are known; empty where there is no cluster. */
  readonly masters: readonly HostAndPort[]
  /** Reads, and moves the expiry only when it is too early: an expiry that is moved counts as a change for all who track the key. */
  getRenewing(key: string, renewal: Renewal): Promise<RenewedValue | undefined>
  /** How the key is called on the server. */
  serverKey(key: string): string
}

const mebibyte = 1024 * 1024
/** Milliseconds after a refusal in which reads don't try to be writes first, unless it is known sooner that writes are taken. */
const plainFor = 5000

/**
 * Redis or Valkey as a storage node: one server, the master of a Sentinel group, or a cluster. Redis 6.2 or later.
 *
 * Reads use GETEX, which the server counts as a write: a demoted master, which may hold old data, refuses it. Where writes are refused
 * (a full disk, missing replicas, a pause, access rules) reads are plain ones, of a server that says afterwards that it is the master.
 * Fences are scripts; where those are forbidden, a SET that compares, on servers that have it.
 * Lives are sent in milliseconds from now, so that the clocks of the machines need not agree.
 */
export function createRedisNode(options: RedisNodeOptions): RedisStorageNode {
  return new RedisNode(options)
}

const refused: PutResult = Object.freeze({ stored: false })

class RedisNode implements RedisStorageNode {
  readonly id: string | undefined
  readonly address: string
  readonly maxValueBytes: number
  readonly #route: RedisRoute
  readonly #client: RedisClient
  readonly #clock: Clock
  readonly #isCluster: boolean
  readonly #probeKey: string
  /** Something failed that only a trial can explain. */
  #doubtsWrites = false
  /** Until then reads are plain ones, on the clock of `performance.now()`. */
  #plainUntil = 0
  /** The connections that there were when scripts were found to be forbidden. */
  #comparesOn = -1

  constructor(options: RedisNodeOptions) {
    const { address, operationTimeout: timeout, wait, maxPending = 10_000 } = options
    const operationTimeout = typeof timeout === 'function' ? timeout : () => timeout
    this.id = options.id
    this.address = address.label
    this.maxValueBytes = options.maxValueBytes ?? 16 * mebibyte
    this.#clock = options.clock ?? systemClock
    this.#isCluster = address.topology === 'cluster'
    this.#probeKey = options.probeKey ?? 'holdfast:probe'
    this.#route = openRedisRoute(address, {
      operationTimeout,
      wait: typeof wait === 'function' ? wait : () => wait,
      maxPending,
      maxPendingBytes: options.maxPendingBytes ?? 64 * mebibyte,
      reconnectPause: options.reconnectPause ?? 50,
    })
    this.#client = new RedisClient(this.#route, { label: this.address, operationTimeout, maxRetrying: maxPending })
  }

  get connections(): number {
    return this.#route.connections
  }

  get incarnation(): string | undefined {
    return this.#route.incarnation
  }

  get masters(): readonly HostAndPort[] {
    return this.#route.masters
  }

  serverKey(key: string): string {
    return this.#route.serverKey(key)
  }

  getRenewing(key: string, { to, slack }: Renewal): Promise<RenewedValue | undefined> {
    const tooLarge = checkItemSize(this, key, 0)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    const sentAt = this.#clock.now()
    const args = [this.#life(to) ?? '0', String(Math.max(0, Math.floor(slack)))]
    const command = this.#scriptCommand(readScript, key, args, (reply) => readRenewedValue(reply, sentAt))
    /* What is known of its life then is only that it has not ended. */
    command.reads = true
    command.recover = async (error) => {
      const value = forbidsScripts(error) ? await this.get(key, to) : await this.#recoverRead(key, error)
      return value && { value, deadline: forbidsScripts(error) ? to : sentAt }
    }
    return this.#client.send(command)
  }

  get(key: string, renewTo?: number): Promise<StoredValue | undefined> {
    const tooLarge = checkItemSize(this, key, 0)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    if (this.#plainUntil > 0 && performance.now() < this.#plainUntil) return this.#readPlainly(key)
    const command = this.#command('GETEX', key, renewTo === undefined ? [] : this.#renewal(renewTo), readValue)
    command.reads = true
    command.recover = (error) => this.#recoverRead(key, error)
    return this.#client.send(command)
  }

  put(key: string, bytes: Uint8Array, deadline: number, expected: Expected, options?: PutOptions): Promise<PutResult> {
    const tooLarge = checkItemSize(this, key, bytes.length)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    const value = Buffer.from(bytes)
    const result: PutResult = { stored: true, fence: new ContentFence(value) }
    const command = this.#putCommand(key, value, this.#life(deadline), expected, result)
    if (command === undefined) return this.#unasked(refused)
    if (options?.durable) command.durable = true
    const digest = typeof expected === 'string' ? undefined : ContentFence.digestOf(expected)
    if (digest === undefined) return this.#write(command)
    const more = deadline === 0 ? [] : ['PX', this.#life(deadline) as string]
    return this.#fenced(command, async () => {
      const answer = await this.#compareAndSet(key, digest, () => value, more)
      return answer === 'done' ? result : refused
    })
  }

  /**
   * The value is sent, and compared here. A script could compare it there, but the digest costs the server, which has one
   * thread for everybody, more than the sending: see docs/storage.md.
   */
  async verify(key: string, seen: Fence, renewTo: number): Promise<'unchanged' | StoredValue | undefined> {
    const found = await this.get(key, renewTo)
    if (found === undefined) return undefined
    return ContentFence.digestOf(found.fence) === ContentFence.digestOf(seen) ? 'unchanged' : found
  }

  touch(key: string, deadline: number): Promise<boolean> {
    const tooLarge = checkItemSize(this, key, 0)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    const life = this.#life(deadline)
    if (life !== undefined) return this.#write(this.#command('PEXPIRE', key, [life], readFlag))
    return this.#fenced(this.#scriptCommand(persistScript, key, [], readFlag), async () => {
      const persisted = await this.#write(this.#command('PERSIST', key, [], readFlag))
      return persisted || this.#write(this.#command('EXISTS', key, [], readFlag))
    })
  }

  delete(key: string, expected?: Fence): Promise<'deleted' | 'absent' | 'refused'> {
    const tooLarge = checkItemSize(this, key, 0)
    if (tooLarge !== undefined) return Promise.reject(tooLarge)
    if (expected === undefined) return this.#write(this.#command('DEL', key, [], readDeleteResult))
    const digest = ContentFence.digestOf(expected)
    if (digest === undefined) return this.#unasked('refused')
    const command = this.#scriptCommand(deleteScript, key, [digest], readDeleteResult)
    /* It expires as it is written: there is no comparison before a removal that all of these servers know. */
    return this.#fenced(command, async () => {
      const answer = await this.#compareAndSet(key, digest, (bytes) => bytes, ['PXAT', '1'])
      return answer === 'done' ? 'deleted' : answer
    })
  }

  /**
   * A server that is not the master doesn't work for us, though it would answer PING. Where something failed that looks as if
   * writes were refused, a write is tried, too.
   */
  async ping(): Promise<void> {
    const command = { args: [], key: undefined, bytes: 0 }
    if (this.#isCluster) return this.#client.send({ ...command, name: 'PING', read: ignoreReply })
    await this.#client
      .send({ ...command, name: 'ROLE', read: (role) => requireMaster(this.address, role) })
      .catch(allowRefusal)
    if (this.#doubtsWrites) await this.#tryWrites()
  }

  /* Of a cluster those of any one server, which tell nothing of the others. */
  async figures(thorough = false): Promise<ServerFigures> {
    const call = (name: string, ...args: string[]) =>
      this.#client.send({ name, args, key: undefined, bytes: 0, read: asItIs })
    const figures = await readRedisFigures(call, thorough)
    if (!this.#isCluster) return figures
    return { server: figures.server, protocol: figures.protocol, missing: figures.missing }
  }

  close(): Promise<void> {
    this.#client.close()
    return Promise.resolve()
  }

  async #tryWrites(): Promise<void> {
    try {
      const fence = await tryWrites(this.#route, this.address, this.#route.serverKey(this.#probeKey))
      if (fence === undefined) return
      this.#doubtsWrites = false
      this.#plainUntil = 0
      this.#comparesOn = fence === 'comparison' ? this.connections : -1
    } catch (error) {
      this.#notice(error)
      if (!(error instanceof NodeRefusedError) || error.refuses !== 'operation') throw error
      this.#doubtsWrites = false
    }
  }

  #write<T>(command: RedisCommand<T>): Promise<T> {
    command.recover = (error) => {
      this.#notice(error)
      return Promise.reject(this.#ofOneServer(error))
    }
    return this.#client.send(command)
  }

  /** A script, or its other way where scripts are forbidden. */
  #fenced<T>(command: RedisCommand<T>, otherWay: () => Promise<T>): Promise<T> {
    if (this.#comparesOn === this.connections) return otherWay()
    command.recover = async (error) => {
      if (!forbidsScripts(error)) {
        this.#notice(error)
        throw this.#ofOneServer(error)
      }
      const result = await otherWay()
      this.#comparesOn = this.connections
      return result
    }
    return this.#client.send(command)
  }

  /**
   * What a script does, in two steps: the value is read, and replaced by a SET that does so only when that value is still there.
   */
  async #compareAndSet(
    key: string,
    digest: string,
    next: (found: Buffer) => Buffer,
    more: RedisArgument[],
  ): Promise<'done' | 'absent' | 'refused'> {
    const found = await this.get(key)
    if (found === undefined) return 'absent'
    if (ContentFence.digestOf(found.fence) !== digest) return 'refused'
    const command = this.#command('SET', key, [next(found.bytes), 'IFEQ', found.bytes, ...more], isOk)
    command.recover = (error) => {
      const meant = lacksComparison(error) ? neither(this.address, error) : error
      this.#notice(meant)
      return Promise.reject(this.#ofOneServer(meant))
    }
    return (await this.#client.send(command)) ? 'done' : 'refused'
  }

  #recoverRead(key: string, error: Error): Promise<StoredValue | undefined> {
    this.#notice(error)
    return refusesWrites(error) ? this.#readPlainly(key, error) : Promise.reject(error)
  }

  /** Only from a server that says, after the read, that it is the master: one that was demoted may hold old data. */
  async #readPlainly(key: string, refusal?: Error): Promise<StoredValue | undefined> {
    const read = this.#client.send(this.#command('GET', key, [], readValue))
    /* The servers of a cluster send away by themselves what is not theirs. */
    if (this.#isCluster) return read
    const role = { name: 'ROLE', args: [], key: undefined, bytes: 0, read: (reply: unknown) => this.#readRole(reply) }
    try {
      const [value] = await Promise.all([read, this.#client.send(role)])
      return value
    } catch (error) {
      throw error instanceof NodeRefusedError ? (refusal ?? error) : error
    }
  }

  #readRole(reply: unknown): void {
    if (!Array.isArray(reply)) throw new ProtocolError('answered ROLE with something else')
    requireMaster(this.address, reply)
  }

  /** Notes what may mean that writes are refused: the next ping finds out. */
  #notice(error: unknown): void {
    if (error instanceof NodeUnreachableError) this.#doubtsWrites = true
    if (!refusesWrites(error)) return
    this.#doubtsWrites = true
    if (!this.#isCluster) this.#plainUntil = performance.now() + plainFor
  }

  /** What one server of a cluster refuses says nothing about the others. */
  #ofOneServer(error: Error): Error {
    return this.#isCluster && refusesWrites(error) ? new NodeRefusedError(error.message, { cause: error }) : error
  }

  #putCommand(
    key: string,
    value: Buffer,
    life: string | undefined,
    expected: Expected,
    result: PutResult,
  ): RedisCommand<PutResult> | undefined {
    if (typeof expected === 'string') {
      const args: RedisArgument[] = life === undefined ? [value] : [value, 'PX', life]
      if (expected === 'absent') args.push('NX')
      return this.#command('SET', key, args, (reply) => (isOk(reply) ? result : refused))
    }
    const digest = ContentFence.digestOf(expected)
    if (digest === undefined) return undefined
    return this.#scriptCommand(putScript, key, [value, digest, life ?? '0'], (reply) =>
      readFlag(reply) ? result : refused,
    )
  }

  #command<T>(name: string, key: string, args: RedisArgument[], read: (reply: unknown) => T): RedisCommand<T> {
    const serverKey = this.#route.serverKey(key)
    return { name, args: [serverKey, ...args], key: serverKey, bytes: size(args) + key.length, read }
  }

  #scriptCommand<T>(
    script: RedisScript,
    key: string,
    args: RedisArgument[],
    read: (reply: unknown) => T,
  ): RedisCommand<T> {
    const serverKey = this.#route.serverKey(key)
    const bytes = size(args) + key.length
    return { name: 'EVALSHA', args: [script.sha, '1', serverKey, ...args], script, key: serverKey, bytes, read }
  }

  #unasked<T>(answer: T): Promise<T> {
    if (this.#client.closed) return Promise.reject(new ClosedError(`storage node ${this.address}`))
    return Promise.resolve(answer)
  }

  #renewal(deadline: number): RedisArgument[] {
    const life = this.#life(deadline)
    return life === undefined ? ['PERSIST'] : ['PX', life]
  }

  /** Milliseconds from now, at least one, because a past time would remove the value; `undefined`: for ever. */
  #life(deadline: number): string | undefined {
    return deadline === 0 ? undefined : String(Math.max(1, Math.ceil(deadline - this.#clock.now())))
  }
}

function size(args: readonly RedisArgument[]): number {
  let bytes = 0
  for (const argument of args) bytes += argument.length
  return bytes
}

function readValue(reply: unknown): StoredValue | undefined {
  if (reply === null) return undefined
  if (!Buffer.isBuffer(reply)) throw new ProtocolError('answered a read with something that is no value')
  return { bytes: ownBytes(reply), fence: new ContentFence(reply) }
}

function readRenewedValue(reply: unknown, sentAt: number): RenewedValue | undefined {
  if (reply === null) return undefined
  const [bytes, left] = Array.isArray(reply) ? reply : []
  const value = readValue(bytes)
  if (value === undefined || typeof left !== 'number') throw new ProtocolError('answered a read without an expiry')
  return { value, deadline: left === -1 ? 0 : sentAt + left }
}

function isOk(reply: unknown): boolean {
  if (reply === null) return false
  if (Buffer.isBuffer(reply) && reply.toString('latin1') === 'OK') return true
  throw new ProtocolError('answered a write with something else')
}

function readFlag(reply: unknown): boolean {
  if (reply === 1 || reply === 0) return reply === 1
  throw new ProtocolError('answered with something that is neither 1 nor 0')
}

function readDeleteResult(reply: unknown): 'deleted' | 'absent' | 'refused' {
  if (reply === -1) return 'refused'
  return readFlag(reply) ? 'deleted' : 'absent'
}

/** Access rules, or a proxy, may keep ROLE from us: an answer it is. */
function allowRefusal(error: Error): void {
  if (!(error instanceof NodeRefusedError) || !/NOPERM|unknown command/.test(error.message)) throw error
}

function ignoreReply(): void {}

function asItIs(reply: unknown): unknown {
  return reply
}
