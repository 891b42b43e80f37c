import { NodeUnreachableError } from '../../errors.js'
import type { PutResult } from '../storage-node.js'
import type { RedisLink } from './redis-link.js'
import { RedisOperation } from './redis-operation.js'

/** How many replicas are to have a write, and how long they may take, in milliseconds. */
export interface ReplicaWait {
  replicas: number
  timeout: number
}

interface Write {
  operation: RedisOperation
  wait: ReplicaWait
  /** What the server has answered, until the replicas have. */
  result: PutResult | undefined
}

/**
 * Writes that replicas have to acknowledge, on a connection of their own because WAIT holds up what follows it. They go
 * in rounds: all that came while the last round was under way, then one WAIT for them all.
 * Source: https://redis.io/docs/latest/commands/wait/. A shortfall doesn't undo the write.
 */
export class RedisDurableWrites {
  readonly #link: RedisLink
  readonly #maxQueued: number
  #queue: Write[] = []
  #waiting = false

  constructor(link: RedisLink, maxQueued: number) {
    this.#link = link
    this.#maxQueued = maxQueued
  }

  /** The operation, a put, settles after the replicas have answered; its result tells when they were too few. */
  perform(operation: RedisOperation, wait: ReplicaWait): void {
    if (this.#queue.length >= this.#maxQueued) {
      operation.reject(new NodeUnreachableError('too many writes wait for replicas, no more are taken'))
      return
    }
    this.#queue.push({ operation, wait, result: undefined })
    if (!this.#waiting) this.#round()
  }

  #round(): void {
    const writes = this.#queue
    this.#queue = []
    this.#waiting = writes.length > 0
    if (!this.#waiting) return
    const finish = (acknowledged: number): void => {
      for (const write of writes) settle(write, acknowledged)
      this.#round()
    }
    const wait = new RedisOperation(waitCommand(writes), finish as (result: never) => void, () => finish(0))
    this.#link.perform(...writes.map(heldBack), wait)
  }
}

/** The same operation, whose result is kept back. */
function heldBack(write: Write): RedisOperation {
  const { operation } = write
  const keep = (result: PutResult): void => {
    write.result = result
  }
  return new RedisOperation(operation.command, keep as (result: never) => void, (error) => operation.reject(error))
}

function settle({ operation, wait, result }: Write, acknowledged: number): void {
  if (result === undefined) return
  const short = result.stored && acknowledged < wait.replicas
  const settled = short ? { ...result, shortfall: { acknowledged, wanted: wait.replicas } } : result
  operation.resolve(settled as never)
}

function waitCommand(writes: readonly Write[]) {
  const replicas = Math.max(...writes.map(({ wait }) => wait.replicas))
  const timeout = Math.max(...writes.map(({ wait }) => wait.timeout))
  return {
    name: 'WAIT',
    args: [String(replicas), String(Math.max(1, Math.round(timeout)))],
    key: undefined,
    bytes: 0,
    read: (reply: unknown) => (typeof reply === 'number' ? reply : 0),
  }
}
