import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.js'

const MAX_ENTRIES = 256
const LIFETIME = 10 * 60_000

/**
 * Remembers which passwords were right a while ago, so that a client that asks every few seconds does not cost a password hash each
 * time. Kept are digests under a key of this process only.
 */
export class VerifiedPasswords {
  private readonly key = randomBytes(32)
  private readonly until = new Map<string, number>()
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  has(user: string, password: string): boolean {
    const digest = this.digest(user, password)
    const until = this.until.get(digest)
    if (until === undefined) return false
    if (until > this.clock.now()) return true
    this.until.delete(digest)
    return false
  }

  add(user: string, password: string): void {
    const oldest = this.until.size >= MAX_ENTRIES ? this.until.keys().next().value : undefined
    if (oldest !== undefined) this.until.delete(oldest)
    this.until.set(this.digest(user, password), this.clock.now() + LIFETIME)
  }

  private digest(user: string, password: string): string {
    return createHmac('sha256', this.key).update(`${user.length}:${user}${password}`).digest('base64')
  }
}
