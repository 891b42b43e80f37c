import { systemClock } from '../../src/clock.js'
import { SessionLocks, type SessionLocksOptions } from '../../src/lock/session-locks.js'
import type { Expected, Fence, PutResult, StorageNode, StoredValue } from '../../src/node/storage-node.js'
import { systemRandom } from '../../src/random.js'

/** Short expiries do for nodes in memory, whose time is exact. */
export const settings = { expiry: 3000, timeout: 20_000, maxWaiters: 1000 }

/** Locks of one server, with what they report. */
export interface ObservedLocks extends SessionLocks {
  readonly reports: { waited: number[]; timeouts: string[]; lost: string[] }
}

export function openLocks(changed: Partial<typeof settings> = {}, holder = 'test'): ObservedLocks {
  const reports: ObservedLocks['reports'] = { waited: [], timeouts: [], lost: [] }
  const options: SessionLocksOptions = {
    clock: systemClock,
    random: systemRandom,
    settings: () => ({ ...settings, ...changed }),
    holder,
    onWaited: (ms) => reports.waited.push(ms),
    onTimeout: (key) => reports.timeouts.push(key),
    onLost: (key) => reports.lost.push(key),
  }
  return Object.assign(new SessionLocks(options), { reports })
}

type Operation = 'get' | 'verify' | 'put' | 'touch' | 'delete' | 'ping'

/** A node that counts what is asked of it, and can be made to fail or wait. */
export class ObservedNode implements StorageNode {
  readonly operations: Operation[] = []
  /** Runs before an operation, and may reject in its place. */
  before: (operation: Operation) => void | Promise<void> = () => {}
  /** Runs after an operation was carried out, and may reject in place of its answer. */
  after: (operation: Operation) => void | Promise<void> = () => {}
  readonly #node: StorageNode

  constructor(node: StorageNode) {
    this.#node = node
  }

  get id(): string | undefined {
    return this.#node.id
  }

  get address(): string {
    return this.#node.address
  }

  get maxValueBytes(): number {
    return this.#node.maxValueBytes
  }

  get connections(): number {
    return this.#node.connections
  }

  get(key: string, renewTo?: number): Promise<StoredValue | undefined> {
    return this.#run('get', () => this.#node.get(key, renewTo))
  }

  verify(key: string, seen: Fence, renewTo: number): Promise<'unchanged' | StoredValue | undefined> {
    return this.#run('verify', () => this.#node.verify(key, seen, renewTo))
  }

  put(key: string, bytes: Uint8Array, deadline: number, expected: Expected): Promise<PutResult> {
    return this.#run('put', () => this.#node.put(key, bytes, deadline, expected))
  }

  touch(key: string, deadline: number): Promise<boolean> {
    return this.#run('touch', () => this.#node.touch(key, deadline))
  }

  delete(key: string, expected?: Fence): Promise<'deleted' | 'absent' | 'refused'> {
    return this.#run('delete', () => this.#node.delete(key, expected))
  }

  ping(): Promise<void> {
    return this.#run('ping', () => this.#node.ping())
  }

  close(): Promise<void> {
    return this.#node.close()
  }

  async #run<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    this.operations.push(operation)
    await this.before(operation)
    const result = await work()
    await this.after(operation)
    return result
  }
}
