import { RedisDurableWrites, type ReplicaWait } from './redis-durable-writes.js'
import { RedisLink, type RedisLinkOptions } from './redis-link.js'
import type { RedisOperation } from './redis-operation.js'
import type { RedisRoute } from './redis-route.js'

/** One server, or the master that the Sentinels name. */
export class SingleRedis implements RedisRoute {
  readonly finds: boolean
  readonly masters = []
  readonly #link: RedisLink
  readonly #durableLink: RedisLink
  readonly #apart: RedisLink
  readonly #durable: RedisDurableWrites
  readonly #wait: () => ReplicaWait | undefined

  constructor(options: RedisLinkOptions, finds: boolean, wait: () => ReplicaWait | undefined) {
    this.finds = finds
    this.#wait = wait
    this.#link = new RedisLink(options)
    this.#durableLink = new RedisLink(options)
    this.#apart = new RedisLink({ ...options, onOpen: ignore, onEnd: ignore })
    this.#durable = new RedisDurableWrites(this.#durableLink, options.maxPending)
  }

  get connections(): number {
    return this.#link.connections
  }

  get incarnation(): string | undefined {
    return this.#link.incarnation
  }

  perform(operation: RedisOperation): void {
    const wait = operation.command.durable ? this.#wait() : undefined
    if (operation.command.apart) this.#apart.perform(operation)
    else if (wait === undefined) this.#link.perform(operation)
    else this.#durable.perform(operation, wait)
  }

  prepare(): Promise<void> {
    return Promise.resolve()
  }

  leaveApart(): void {
    this.#apart.retire()
  }

  serverKey(key: string): string {
    return key
  }

  close(): void {
    this.#link.close()
    this.#durableLink.close()
    this.#apart.close()
  }
}

function ignore(): void {}
