import type { Clock, Timer } from '../clock.js'
import { NodeUnreachableError } from '../errors.js'
import type { Fence, StorageNode } from '../node/storage-node.js'
import type { RandomSource } from '../random.js'

export interface NodeLockOptions {
  node: StorageNode
  /** Where the lock stands on the node. */
  key: string
  /** Who holds it, for people who look at the value. */
  holder: string
  /** Milliseconds, asked at each renewal. */
  expiry: () => number
  clock: Clock
  random: RandomSource
}

/** Servers count expiry in whole seconds: a value can go that much before its deadline. */
const granularity = 1000
/** Milliseconds: when less is left, there is no further attempt. */
const shortestDelay = 20

/**
 * Takes the lock when nobody has it; one round trip.
 *
 * @returns `undefined`: another one has it
 * @throws whatever the node's write rejects with
 */
export async function tryLock(options: NodeLockOptions): Promise<NodeLock | undefined> {
  const { node, key, holder, clock, random } = options
  const value = Buffer.from(`${random.bytes(16).toString('base64url')} ${holder}`)
  const asked = clock.monotonic()
  const expiry = options.expiry()
  try {
    const result = await node.put(key, value, clock.now() + expiry, 'absent')
    return result.stored ? new NodeLock(options, value, result.fence, asked + trusted(expiry)) : undefined
  } catch (error) {
    /* It may have been written all the same: then nobody should have to wait for its expiry. */
    if (error instanceof NodeUnreachableError) removeOwn(node, key, value).catch(ignore)
    throw error
  }
}

/** How long after its last renewal a lock is surely ours, by our own clock. */
function trusted(expiry: number): number {
  return Math.max(expiry - granularity, expiry / 2)
}

/**
 * A lock that this process holds: a value on a node that names us, with an expiry. It is renewed at a third of the expiry,
 * and removed, by fenced operations only, so that nobody touches another one's lock. When no renewal got through in
 * time, or somebody else's value stands there, the lock is lost.
 */
export class NodeLock {
  /** Milliseconds on the monotonic clock. */
  readonly takenAt: number
  private readonly options: NodeLockOptions
  private readonly value: Buffer
  private fence: Fence
  private trustedUntil: number
  private state: 'held' | 'lost' | 'released' = 'held'
  private timer: Timer | undefined
  private renewal: Promise<void> | undefined
  private onLost: () => void = ignore

  constructor(options: NodeLockOptions, value: Buffer, fence: Fence, trustedUntil: number) {
    this.options = options
    this.takenAt = options.clock.monotonic()
    this.value = value
    this.fence = fence
    this.trustedUntil = trustedUntil
    this.renewLater()
  }

  get node(): StorageNode {
    return this.options.node
  }

  get isHeld(): boolean {
    return this.state === 'held' && this.options.clock.monotonic() < this.trustedUntil
  }

  /** `onLost` is called when the lock is lost, at once where that has happened; one watcher at a time. */
  watch(onLost: () => void): void {
    this.onLost = onLost
    if (this.state === 'lost') onLost()
  }

  /** Ends the renewals; the lock then expires by itself. */
  abandon(): void {
    this.state = 'released'
    this.options.clock.clearTimeout(this.timer)
  }

  /** Removes the lock if it is still ours. Where the node can't be asked, it expires by itself. */
  async release(): Promise<void> {
    const { node, key } = this.options
    this.abandon()
    await this.renewal
    try {
      await removeOwn(node, key, this.value, this.fence)
    } catch (error) {
      /* Once more, and nobody waits for it: a lock that stays would hold up the next request until its expiry. */
      if (error instanceof NodeUnreachableError) removeOwn(node, key, this.value).catch(ignore)
    }
  }

  /** At a third of the expiry, and at most half of the time that is left: so attempts that fail come closer together. */
  private renewLater(): void {
    const left = this.trustedUntil - this.options.clock.monotonic()
    const delay = left < shortestDelay ? Math.max(0, left) : Math.min(this.options.expiry() / 3, left / 2)
    this.wakeAfter(delay, () => this.beginRenewal())
  }

  private wakeAfter(ms: number, callback: () => void): void {
    this.timer = this.options.clock.setTimeout(callback, ms)
    this.timer.unref()
  }

  private beginRenewal(): void {
    const left = this.trustedUntil - this.options.clock.monotonic()
    if (left <= 0) {
      this.lose()
      return
    }
    this.wakeAfter(left, () => this.lose())
    this.renewal = this.renew()
  }

  private async renew(): Promise<void> {
    const asked = this.options.clock.monotonic()
    const expiry = this.options.expiry()
    const outcome = await this.prolong(this.options.clock.now() + expiry).catch(unanswered)
    if (this.state !== 'held') return
    if (outcome === 'gone') return this.lose()
    if (outcome === 'renewed') this.trustedUntil = asked + trusted(expiry)
    this.options.clock.clearTimeout(this.timer)
    this.renewLater()
  }

  private async prolong(deadline: number): Promise<'renewed' | 'gone'> {
    const { node, key } = this.options
    let result = await node.put(key, this.value, deadline, this.fence)
    if (!result.stored) {
      const fence = await findOwn(node, key, this.value)
      if (fence === undefined) return 'gone'
      result = await node.put(key, this.value, deadline, fence)
    }
    if (!result.stored) return 'gone'
    this.fence = result.fence
    return 'renewed'
  }

  private lose(): void {
    if (this.state !== 'held') return
    this.state = 'lost'
    this.options.clock.clearTimeout(this.timer)
    this.onLost()
  }
}

/** A refused token may be one of an earlier connection: the value tells whose the lock is. */
async function findOwn(node: StorageNode, key: string, value: Buffer): Promise<Fence | undefined> {
  const found = await node.get(key)
  return found?.bytes.equals(value) ? found.fence : undefined
}

async function removeOwn(node: StorageNode, key: string, value: Buffer, fence?: Fence): Promise<void> {
  if (fence !== undefined && (await node.delete(key, fence)) !== 'refused') return
  const current = await findOwn(node, key, value)
  if (current !== undefined) await node.delete(key, current)
}

function unanswered(): 'unanswered' {
  return 'unanswered'
}

function ignore(): void {}
