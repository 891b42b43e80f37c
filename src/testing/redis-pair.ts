import { follows } from './redis-command.js'
import type { TestHaproxy } from './start-haproxy.js'
import type { TestRedis } from './start-redis.js'
import { waitFor } from './wait-for.js'

/** A Redis master and its replica behind an HAProxy that sends to the master. */
export class RedisPair {
  readonly proxy: TestHaproxy
  readonly #close: () => Promise<void>
  #master: TestRedis
  #replica: TestRedis

  constructor(master: TestRedis, replica: TestRedis, proxy: TestHaproxy, close: () => Promise<void>) {
    this.#master = master
    this.#replica = replica
    this.proxy = proxy
    this.#close = close
  }

  get master(): TestRedis {
    return this.#master
  }

  get replica(): TestRedis {
    return this.#replica
  }

  /** `redis://[:password@]host:port` of the proxy. */
  get url(): string {
    const { host, port } = this.proxy
    return this.#master.url.replace(`${this.#master.host}:${this.#master.port}`, `${host}:${port}`)
  }

  /**
   * Demotes the master, then promotes its replica, and waits until HAProxy sends to the new master and the other follows
   * it. In between there is no master, and what the replica had not yet got is lost: as in a switch by hand.
   */
  async switchRoles(): Promise<void> {
    const [old, next] = [this.#master, this.#replica]
    await old.command('REPLICAOF', next.host, next.port)
    await next.command('REPLICAOF', 'NO', 'ONE')
    this.#master = next
    this.#replica = old
    await this.settled()
  }

  /** Waits until HAProxy sends to the master and nowhere else, and the replica follows. */
  async settled(): Promise<void> {
    await waitFor(async () => (await this.#sendsToMaster()) && follows(this.#replica, this.#master), {
      message: `HAProxy to send to the Redis on port ${this.#master.port}`,
      timeout: 20_000,
      interval: 30,
    })
  }

  /** Ends everything. Idempotent. */
  close(): Promise<void> {
    return this.#close()
  }

  async #sendsToMaster(): Promise<boolean> {
    const receivers = await this.proxy.receivers()
    return receivers.length === 1 && receivers[0] === this.#master.port
  }
}
