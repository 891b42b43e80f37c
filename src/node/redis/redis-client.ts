import { ClosedError, NodeUnreachableError, refusesWrites } from '../../errors.js'
import { NotDone } from './redis-errors.js'
import { type RedisCommand, RedisOperation } from './redis-operation.js'
import type { RedisRoute } from './redis-route.js'

export interface RedisClientOptions {
  label: string
  operationTimeout: () => number
  /** Operations that wait for another attempt. */
  maxRetrying: number
}

const pauses = [0, 10, 20, 50]
const longestPause = 100

/**
 * Operations on Redis. One that the server refused because it can't do it now (a demoted master, a restarted one, a
 * cluster that elects) is tried again until its deadline: such an answer proves that nothing was done. Whatever may have
 * taken effect is never sent again.
 */
export class RedisClient {
  readonly #options: RedisClientOptions
  readonly #route: RedisRoute
  readonly #sleepers = new Set<() => void>()
  #retrying = 0
  #closed = false

  constructor(route: RedisRoute, options: RedisClientOptions) {
    this.#route = route
    this.#options = options
  }

  get closed(): boolean {
    return this.#closed
  }

  send<T>(command: RedisCommand<T>): Promise<T> {
    const started = performance.now()
    return new Promise((resolve, reject) => {
      const giveUp = (error: Error): void => {
        if (command.recover === undefined) reject(error)
        else command.recover(error).then(resolve, reject)
      }
      const fail = (error: Error): void => {
        if (!(error instanceof NotDone)) giveUp(error)
        else if (!this.#isWorthRetrying(error, command)) giveUp(error.outcome)
        else this.#retry(command, error, started + this.#options.operationTimeout()).then(resolve, giveUp)
      }
      this.#route.perform(new RedisOperation(command, resolve as (result: never) => void, fail))
    })
  }

  close(): void {
    this.#closed = true
    this.#route.close()
    for (const wake of this.#sleepers) wake()
  }

  #isWorthRetrying({ why, outcome }: NotDone, { reads }: RedisCommand<unknown>): boolean {
    if (this.#closed || this.#retrying >= this.#options.maxRetrying) return false
    /* The only server that there is can be read at once. Of several, another one may be the master by now. */
    if (reads && !this.#route.finds && refusesWrites(outcome)) return false
    if (why === 'not-connected') return this.#route.finds && outcome instanceof NodeUnreachableError
    return why === 'not-now' || why === 'no-script' || this.#route.finds
  }

  async #retry<T>(command: RedisCommand<T>, first: NotDone, deadline: number): Promise<T> {
    this.#retrying += 1
    try {
      return await this.#untilDeadline(command, first, deadline)
    } finally {
      this.#retrying -= 1
    }
  }

  async #untilDeadline<T>(command: RedisCommand<T>, first: NotDone, deadline: number): Promise<T> {
    let failed = first
    for (let attempt = 0; ; attempt += 1) {
      if (failed.why === 'no-script') withText(command)
      await this.#within(deadline, this.#pause(failed, attempt))
      await this.#within(deadline, this.#route.prepare(failed, command))
      if (this.#closed) throw new ClosedError(`storage node ${this.#options.label}`)
      if (performance.now() >= deadline) throw failed.outcome
      const outcome = await this.#within(deadline, this.#attempt(command))
      if (outcome === undefined) throw refusesWrites(failed.outcome) ? failed.outcome : this.#tooLate()
      if (!(outcome.failure instanceof NotDone)) return outcome.result as T
      failed = outcome.failure
      if (!(failed.outcome instanceof NodeUnreachableError) && failed.why === 'not-connected') throw failed.outcome
    }
  }

  #attempt<T>(command: RedisCommand<T>): Promise<{ result?: T; failure?: NotDone }> {
    return new Promise((resolve, reject) => {
      const succeed = (result: T): void => resolve({ result })
      const fail = (error: Error): void => (error instanceof NotDone ? resolve({ failure: error }) : reject(error))
      this.#route.perform(new RedisOperation(command, succeed as (result: never) => void, fail))
    })
  }

  #pause({ why }: NotDone, attempt: number): Promise<void> {
    const ms = why === 'not-now' || why === 'not-connected' || attempt > 3 ? (pauses[attempt] ?? longestPause) : 0
    if (ms === 0 || this.#closed) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#sleepers.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      this.#sleepers.add(wake)
    })
  }

  /** The result, or `undefined` when the deadline comes first. */
  #within<T>(deadline: number, promise: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve(undefined), Math.max(0, deadline - performance.now()))
      promise.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }

  #tooLate(): NodeUnreachableError {
    const { label, operationTimeout } = this.#options
    return new NodeUnreachableError(`storage node ${label} gave no answer within ${operationTimeout()} ms`)
  }
}

/** EVAL in place of EVALSHA: the server keeps the script and knows it from then on. */
function withText(command: RedisCommand<unknown>): void {
  if (command.script === undefined) return
  command.name = 'EVAL'
  command.args = [command.script.text, ...command.args.slice(1)]
}
