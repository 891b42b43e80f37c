import type { IncomingMessage, ServerResponse } from 'node:http'
import type { DemoEvent, EventLog } from './event-log.js'

const MAX_READERS = 32
const MAX_WAITING_BYTES = 256 * 1024
const KEEP_ALIVE_MS = 15_000

/** Server-sent events for the pages that are open. A page that doesn't read is let go; it connects again by itself. */
export class EventStream {
  readonly #log: EventLog
  readonly #readers = new Set<ServerResponse>()
  readonly #unsubscribe: () => void
  readonly #timer: NodeJS.Timeout

  constructor(log: EventLog) {
    this.#log = log
    this.#unsubscribe = log.subscribe((event) => this.#send(frame(event)))
    this.#timer = setInterval(() => this.#send(': still here\n\n'), KEEP_ALIVE_MS).unref()
  }

  add(req: IncomingMessage, res: ServerResponse): void {
    if (this.#readers.size >= MAX_READERS) return void res.writeHead(503, { 'Retry-After': '5' }).end()
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    // A page that comes back after a break has seen the past already.
    const past = req.headers['last-event-id'] === undefined ? this.#log.recent() : []
    res.write(`retry: 1000\n\n${past.map(frame).join('')}`)
    this.#readers.add(res)
    res.once('close', () => this.#readers.delete(res))
  }

  close(): void {
    this.#unsubscribe()
    clearInterval(this.#timer)
    for (const reader of this.#readers) reader.destroy()
  }

  #send(text: string): void {
    for (const reader of this.#readers) {
      if (reader.writableLength > MAX_WAITING_BYTES) reader.destroy()
      else reader.write(text)
    }
  }
}

function frame(event: DemoEvent): string {
  return `id: ${event.at}\ndata: ${JSON.stringify(event)}\n\n`
}
