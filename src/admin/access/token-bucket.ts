import type { Clock } from '../../clock.js'

interface Bucket {
  tokens: number
  at: number
}

/** A token bucket for each client. Remembers a bounded number of clients: the one that was asked for least recently goes first. */
export class TokenBuckets {
  private readonly buckets = new Map<string, Bucket>()
  private readonly capacity: number
  /** Milliseconds until a token comes back. */
  private readonly pause: number
  private readonly maxClients: number
  private readonly clock: Clock

  constructor(options: { capacity: number; pause: number; maxClients: number; clock: Clock }) {
    this.capacity = options.capacity
    this.pause = options.pause
    this.maxClients = options.maxClients
    this.clock = options.clock
  }

  /** Takes a token if there is one. @returns whether there was. */
  take(client: string): boolean {
    const bucket = this.bucket(client)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }

  /** Takes tokens for work that is done anyway: there may be less than none afterwards, which the client has to wait for. */
  charge(client: string, tokens: number): void {
    this.bucket(client).tokens -= tokens
  }

  isEmpty(client: string): boolean {
    return this.buckets.has(client) && this.bucket(client).tokens < 1
  }

  /** Whole seconds until there is a token again. */
  secondsToWait(client: string): number {
    const missing = 1 - this.bucket(client).tokens
    return Math.max(1, Math.ceil((missing * this.pause) / 1000))
  }

  private bucket(client: string): Bucket {
    const now = this.clock.now()
    const bucket = this.buckets.get(client) ?? { tokens: this.capacity, at: now }
    const gained = Math.max(0, now - bucket.at) / this.pause
    bucket.tokens = Math.min(this.capacity, bucket.tokens + gained)
    bucket.at = now
    this.buckets.delete(client)
    this.buckets.set(client, bucket)
    if (this.buckets.size > this.maxClients) this.forgetOldest()
    return bucket
  }

  private forgetOldest(): void {
    for (const client of this.buckets.keys()) {
      this.buckets.delete(client)
      return
    }
  }
}
