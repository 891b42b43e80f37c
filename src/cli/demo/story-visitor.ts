import { Agent, request } from 'node:http'
import { routeOf } from './route-cookie.js'

/** Somebody in the story: a cookie jar, and what must be in their cart. */
export class Visitor {
  readonly number: number
  /** In the order in which the items were put in. */
  readonly expected: string[] = []
  cookie = ''

  constructor(number: number) {
    this.number = number
  }

  /** The server that the session id names. */
  get route(): string | undefined {
    return routeOf(this.cookie, 'sid')
  }

  /** The storage node that the session id names. */
  get node(): string | undefined {
    return /-(\w+)(?:\.\w+)?$/.exec(this.cookie)?.[1]
  }
}

export interface Answer {
  status: number
  body: unknown
}

const TIMEOUT_MS = 30_000

/** The visitors' way to the shop, with a bounded number of connections. */
export class ShopClient {
  readonly #port: number
  readonly #agent: Agent

  constructor(port: number, connections: number) {
    this.#port = port
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  /** Rejects when there is no answer; keeps the cookie that comes with one. */
  send(visitor: Visitor, method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> {
    const payload = body === undefined ? '' : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const req = request({
        host: '127.0.0.1',
        port: this.#port,
        agent: this.#agent,
        method,
        path,
        timeout: TIMEOUT_MS,
        headers: {
          ...(visitor.cookie === '' ? {} : { Cookie: visitor.cookie }),
          ...(payload === ''
            ? {}
            : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) }),
        },
      })
      req.once('timeout', () => req.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
      req.once('error', reject)
      req.once('response', (res) => {
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => chunks.push(chunk))
        res.once('error', reject)
        res.once('end', () => {
          keepCookie(visitor, res.headers['set-cookie'])
          resolve({ status: res.statusCode ?? 0, body: parse(Buffer.concat(chunks).toString()) })
        })
      })
      req.end(payload)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

function keepCookie(visitor: Visitor, lines: readonly string[] = []): void {
  const pair = lines.map((line) => line.split(';', 1)[0] ?? '').find((text) => text.startsWith('sid='))
  if (pair !== undefined) visitor.cookie = pair
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
