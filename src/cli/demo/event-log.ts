/** One line of what happened in the cluster. */
export interface DemoEvent {
  /** Milliseconds since the epoch. */
  at: number
  /** `a`, `n1`, `balancer`, … */
  source: string
  /** `takenOver`, `killed`, … */
  name: string
  /** `key=value` pairs, or a sentence. */
  detail: string
}

const REMEMBERED = 200

/** Hands events to whoever listens and remembers the last 200 for those who come later. */
export class EventLog {
  readonly #recent: DemoEvent[] = []
  readonly #listeners = new Set<(event: DemoEvent) => void>()
  readonly #counts = new Map<string, number>()

  publish(source: string, name: string, detail = ''): void {
    const event = { at: Date.now(), source, name, detail }
    this.#recent.push(event)
    if (this.#recent.length > REMEMBERED) this.#recent.shift()
    this.#counts.set(name, this.count(name) + 1)
    for (const listener of this.#listeners) listener(event)
  }

  recent(): readonly DemoEvent[] {
    return this.#recent
  }

  /** Events of that name so far. */
  count(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /** Returns the call that ends the subscription. */
  subscribe(listener: (event: DemoEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** An event's payload as `key=value` pairs; nested objects as JSON. */
export function describePayload(payload: unknown): string {
  if (typeof payload !== 'object' || payload === null) return payload === undefined ? '' : String(payload)
  return Object.entries(payload)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(' ')
}
