import type { DemoEvent } from './event-log.js'

const FIRST_SHOWN = 4
const WINDOW_MS = 1000

/**
 * Prints events as they happen. When one process says the same thing many times within a second (200 takeovers, say),
 * the first few are shown and the others counted.
 */
export class TerminalLog {
  readonly #write: (line: string) => void
  readonly #held = new Map<string, { shown: number; more: number; event: DemoEvent }>()
  #timer: NodeJS.Timeout | undefined

  constructor(write: (line: string) => void) {
    this.#write = write
  }

  print(event: DemoEvent): void {
    const key = `${event.source} ${event.name}`
    const held = this.#held.get(key)
    if (held !== undefined && held.shown >= FIRST_SHOWN) {
      held.more += 1
      return
    }
    this.#held.set(key, { shown: (held?.shown ?? 0) + 1, more: 0, event })
    this.#write(line(event, event.detail))
    this.#timer ??= setTimeout(() => this.flush(), WINDOW_MS).unref()
  }

  /** Writes the counts that were held back. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const { more, event } of this.#held.values()) {
      if (more > 0) this.#write(line({ ...event, at: Date.now() }, `… and ${more} more`))
    }
    this.#held.clear()
  }
}

function line(event: DemoEvent, detail: string): string {
  const time = new Date(event.at).toTimeString().slice(0, 8)
  const millis = String(event.at % 1000).padStart(3, '0')
  return `${time}.${millis}  ${event.source.padEnd(8)}  ${event.name.padEnd(13)} ${detail}`.trimEnd()
}
