import http from 'node:http'
import https from 'node:https'

export interface Answer {
  status: number
  body: string
  json<T = unknown>(): T
  headers: http.IncomingHttpHeaders
  /** The value of the session cookie that came with this answer; undefined: none came. */
  cookie: string | undefined
}

/** A browser that keeps one cookie, and can be sent to any server. */
export class Visitor {
  readonly name: string
  /** Value of the cookie. */
  id: string | undefined

  constructor(name = 'sid') {
    this.name = name
  }

  /** The same browser, as it is now: for overlapping requests that don't see each other's cookies. */
  copy(): Visitor {
    const copy = new Visitor(this.name)
    copy.id = this.id
    return copy
  }

  get token(): string | undefined {
    return this.id?.split(/[-.]/)[0]
  }

  get node(): string | undefined {
    return this.id?.match(/-([^.]+)/)?.[1]
  }

  get route(): string | undefined {
    return this.id?.match(/\.(.+)$/)?.[1]
  }

  get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('GET', url, undefined, headers)
  }

  post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('POST', url, body, headers)
  }

  request(method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const own: Record<string, string> = { ...headers }
    if (this.id !== undefined) own.cookie ??= `${this.name}=${this.id}`
    if (text !== undefined) own['content-type'] = 'application/json'
    const send = url.startsWith('https:') ? https.request : http.request
    /* Certificates are made by the test itself. */
    const options = { method, headers: own, agent: false as const, timeout: 120_000, rejectUnauthorized: false }
    return new Promise((resolve, reject) => {
      const req = send(url, options, (res) => {
        const chunks: Buffer[] = []
        res.on('data', (chunk: Buffer) => chunks.push(chunk))
        res.on('error', reject)
        res.on('end', () => resolve(this.take(res, Buffer.concat(chunks).toString())))
      })
      req.on('timeout', () => req.destroy(new Error(`no answer from ${url}`)))
      req.on('error', reject)
      req.end(text)
    })
  }

  private take(res: http.IncomingMessage, body: string): Answer {
    const ours = res.headers['set-cookie']?.find((cookie) => cookie.startsWith(`${this.name}=`))
    const cookie = ours?.slice(this.name.length + 1).split(';')[0]
    if (cookie !== undefined) this.id = cookie
    return { status: res.statusCode ?? 0, body, json: () => JSON.parse(body), headers: res.headers, cookie }
  }
}
