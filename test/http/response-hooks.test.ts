import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ResponseObserver, watchClose, watchEnd, watchHead } from '../../src/http/response-hooks.js'
import { waitFor } from '../../src/testing/wait-for.js'

/** Sets a cookie with the head, as a session does, and notes what it is told. */
class Observer implements ResponseObserver {
  refusal: undefined
  readonly req: IncomingMessage
  readonly res: ServerResponse
  hooks = 0
  readonly calls: string[] = []
  /** What the end has to wait for. */
  wait: Promise<unknown> | undefined
  private readonly name: string
  private finished = false
  private headDone = false

  constructor(res: ServerResponse, name = 'ours') {
    this.req = res.req ?? {}
    this.res = res
    this.name = name
  }

  beforeHead(): void {
    if (this.headDone) return
    this.headDone = true
    this.calls.push('head')
    if (typeof this.res.setHeader !== 'function') return
    const existing = this.res.getHeader('Set-Cookie')
    const list = existing === undefined ? [] : [existing].flat().map(String)
    this.res.setHeader('Set-Cookie', [...list, `${this.name}=1`])
  }

  finish(): Promise<unknown> | undefined {
    if (this.finished) return undefined
    this.finished = true
    this.calls.push('finish')
    return this.wait
  }

  close(): void {
    this.calls.push('close')
  }
}

function observe(observer: Observer): Observer {
  watchHead(observer)
  watchEnd(observer)
  watchClose(observer)
  return observer
}

interface Answer {
  status: number
  message: string
  headers: http.IncomingHttpHeaders
  cookies: string[]
  body: string
}

/** An application has a prototype of its own for its responses, as with Express; applications that are mounted share what is above it. */
const shared: object = Object.create(http.ServerResponse.prototype)
const prototypes: Record<string, object | undefined> = { Node: undefined, 'an application': Object.create(shared) }

/** Whose responses the server has. */
let prototype: object | undefined

function httpServer(handler: (req: IncomingMessage, res: ServerResponse) => void): http.Server {
  return http.createServer((req, res) => {
    if (prototype !== undefined) Object.setPrototypeOf(res, prototype)
    handler(req, res)
  })
}

type Handler = (res: ServerResponse, observer: Observer, req: IncomingMessage) => void

let server: http.Server | http2.Http2Server | undefined

afterEach(() => {
  if (server !== undefined && 'closeAllConnections' in server) server.closeAllConnections()
  server?.close()
  server = undefined
  prototype = undefined
})

async function listen(created: http.Server | http2.Http2Server): Promise<string> {
  server = created
  await new Promise<void>((resolve) => created.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(created.address() as AddressInfo).port}`
}

/** Answers one request with the handler, and gives what came over the wire and what the observer was told. */
async function answer(
  handler: Handler,
  method = 'GET',
  prepare: (res: ServerResponse) => void = () => {},
): Promise<Answer & { observer: Observer }> {
  let observer: Observer | undefined
  const url = await listen(
    httpServer((req, res) => {
      prepare(res)
      observer = observe(new Observer(res))
      handler(res, observer, req)
    }),
  )
  const result = await request(url, method)
  await waitFor(() => observer?.calls.includes('close'))
  return { ...result, observer: observer as Observer }
}

function request(url: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = http.request(url, { method, agent: false, timeout: 30_000 }, (res) => {
      let body = ''
      res.setEncoding('utf8')
      res.on('data', (text: string) => {
        body += text
      })
      res.on('error', reject)
      res.on('end', () =>
        resolve({
          status: res.statusCode ?? 0,
          message: res.statusMessage ?? '',
          headers: res.headers,
          cookies: res.headers['set-cookie'] ?? [],
          body,
        }),
      )
    })
    req.on('timeout', () => req.destroy(new Error('no answer')))
    req.on('error', reject)
    req.end()
  })
}

describe.each(Object.keys(prototypes))('with a response of %s:', (whose) => {
  beforeEach(() => {
    prototype = prototypes[whose]
  })

  describe('the hooks of a response', () => {
    it('tell of the end, then of the head, then that it is over, when the head is not written explicitly', async () => {
      const { body, cookies, observer } = await answer((res) => res.end('hello'))
      expect([body, cookies, observer.calls]).toEqual(['hello', ['ours=1'], ['finish', 'head', 'close']])
    })

    it('tell of the head first when something is written before the end', async () => {
      const { body, cookies, observer } = await answer((res) => {
        res.write('one ')
        res.write('two')
        res.end()
      })
      expect([body, cookies, observer.calls]).toEqual(['one two', ['ours=1'], ['head', 'finish', 'close']])
    })

    it('tell of the head when it is flushed', async () => {
      const { cookies, observer } = await answer((res) => {
        res.flushHeaders()
        res.end('x')
      })
      expect([cookies, observer.calls]).toEqual([['ours=1'], ['head', 'finish', 'close']])
    })

    it('keep everything that is given to writeHead', async () => {
      const { status, message, headers, cookies } = await answer((res) => {
        res.setHeader('X-Set', 'a')
        res.setHeader('X-Both', 'set')
        res.writeHead(201, 'Made', { 'X-Given': 'b', 'X-Both': 'given', 'Content-Type': 'text/plain' })
        res.end('x')
      })
      expect([status, message, cookies]).toEqual([201, 'Made', ['ours=1']])
      expect(headers).toMatchObject({ 'x-set': 'a', 'x-given': 'b', 'x-both': 'given', 'content-type': 'text/plain' })
    })

    it.each([
      ['a text', { 'Set-Cookie': 'theirs=1' }, ['theirs=1', 'ours=1']],
      ['a list', { 'Set-Cookie': ['theirs=1', 'more=2'] }, ['theirs=1', 'more=2', 'ours=1']],
      ['small letters', { 'set-cookie': 'theirs=1', 'X-Other': 'y' }, ['theirs=1', 'ours=1']],
      ['a flat list of headers', ['Set-Cookie', 'theirs=1', 'X-Other', 'y'], ['theirs=1', 'ours=1']],
    ])('keep both cookies when writeHead is given one as %s', async (_what, headers, expected) => {
      const { cookies } = await answer((res) => {
        res.writeHead(200, headers as never)
        res.end()
      })
      expect([...cookies].sort()).toEqual([...expected].sort())
    })

    it('let the cookies that are given to writeHead replace those that were set, as Node does', async () => {
      const { cookies } = await answer((res) => {
        res.setHeader('Set-Cookie', 'earlier=1')
        res.writeHead(200, { 'Set-Cookie': 'theirs=1' })
        res.end()
      })
      expect(cookies).toEqual(['theirs=1', 'ours=1'])
    })

    it('keep the headers object of the application as it was', async () => {
      const headers = { 'Set-Cookie': 'theirs=1', 'X-Other': 'y' }
      await answer((res) => res.writeHead(200, headers).end())
      expect(headers).toEqual({ 'Set-Cookie': 'theirs=1', 'X-Other': 'y' })
    })

    it('leave a second head to Node, which refuses it', async () => {
      let error: unknown
      const { observer } = await answer((res) => {
        res.writeHead(200)
        res.flushHeaders()
        try {
          res.writeHead(500)
        } catch (refusal) {
          error = refusal
        }
        res.end()
      })
      expect(error).toMatchObject({ code: 'ERR_HTTP_HEADERS_SENT' })
      expect(observer.calls).toEqual(['head', 'finish', 'close'])
    })

    it('answer a HEAD request with the cookie and without a body', async () => {
      const { body, cookies, headers, observer } = await answer((res) => {
        res.setHeader('Content-Length', 5)
        res.end('hello')
      }, 'HEAD')
      expect([body, cookies, headers['content-length']]).toEqual(['', ['ours=1'], '5'])
      expect(observer.calls).toEqual(['finish', 'head', 'close'])
    })

    it('give back what Node gives back, and pass every argument on', async () => {
      const results: unknown[] = []
      const { body } = await answer((res) => {
        results.push(res.writeHead(200) === res)
        results.push(res.end('aGVsbG8=', 'base64', () => results.push('called')) === res)
      })
      expect(body).toBe('hello')
      expect(results).toEqual([true, true, 'called'])
    })

    it('work for a redirect without a body, and for 204 and 304', async () => {
      for (const status of [302, 204, 304]) {
        const { cookies, status: received } = await answer((res) => {
          res.statusCode = status
          res.end()
        })
        expect([received, cookies]).toEqual([status, ['ours=1']])
        server?.close()
      }
    })

    it('tell that it is over when the visitor goes away before the answer', async () => {
      let observer: Observer | undefined
      const url = await listen(
        httpServer((_req, res) => {
          observer = observe(new Observer(res))
          client.destroy()
        }),
      )
      const client = http.get(url, { agent: false })
      client.on('error', () => {})
      await waitFor(() => observer?.calls.includes('close'))
      expect(observer?.calls).toEqual(['close'])
    })

    it('serve HTTP/2 as well', async () => {
      let observer: Observer | undefined
      const url = await listen(
        http2.createServer((_req, res) => {
          observer = observe(new Observer(res as unknown as ServerResponse))
          res.end('hello')
        }),
      )
      const client = http2.connect(url)
      const stream = client.request({ ':path': '/' })
      const headers = await new Promise<http2.IncomingHttpHeaders>((resolve) => stream.once('response', resolve))
      stream.resume()
      await waitFor(() => observer?.calls.includes('close'))
      client.close()
      expect(headers['set-cookie']).toEqual(['ours=1'])
      expect(observer?.calls).toEqual(['finish', 'head', 'close'])
    })
  })

  describe('a response whose end has to wait', () => {
    function deferred(): { promise: Promise<void>; resolve: () => void } {
      let resolve = (): void => {}
      const promise = new Promise<void>((go) => {
        resolve = go
      })
      return { promise, resolve }
    }

    it('sends nothing of its last part before that', async () => {
      const { promise, resolve } = deferred()
      let sent = true
      const { body, cookies } = await answer((res, observer) => {
        observer.wait = promise
        expect(res.end('hello')).toBe(res)
        setImmediate(() => {
          sent = res.headersSent
          resolve()
        })
      })
      expect([sent, body, cookies]).toEqual([false, 'hello', ['ours=1']])
    })

    it('is answered once and whole when it is ended twice', async () => {
      const { promise, resolve } = deferred()
      const errors: unknown[] = []
      const { body, observer } = await answer((res, observer) => {
        observer.wait = promise
        res.on('error', (error) => errors.push(error))
        res.end('hello')
        res.end()
        setImmediate(resolve)
      })
      expect([body, errors]).toEqual(['hello', []])
      expect(observer.calls.filter((call) => call === 'finish')).toHaveLength(1)
    })

    it('has nothing of what is written behind its end, and tells who asks', async () => {
      const { promise, resolve } = deferred()
      const told: unknown[] = []
      const note = (error?: Error | null) => told.push((error as { code?: string } | undefined)?.code)
      const { body } = await answer((res, observer) => {
        observer.wait = promise
        res.write('one ')
        res.end('two', () => note())
        expect(res.write(' three', note)).toBe(false)
        res.end(' four', note)
        setImmediate(resolve)
      })
      await waitFor(() => told.length === 3)
      expect(body).toBe('one two')
      expect(told.sort()).toEqual(['ERR_STREAM_ALREADY_FINISHED', 'ERR_STREAM_WRITE_AFTER_END', undefined])
    })

    it.each([[{}], [1], [true], [[]]])(
      'refuses a body that is %j at once, and can be ended otherwise',
      async (wrong) => {
        const { promise, resolve } = deferred()
        let error: unknown
        const { body } = await answer((res, observer) => {
          observer.wait = promise
          try {
            res.end(wrong as never)
          } catch (thrown) {
            error = thrown
          }
          res.end('right')
          setImmediate(resolve)
        })
        expect([body, error]).toEqual(['right', expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' })])
        expect(error).toBeInstanceOf(TypeError)
      },
    )

    it('is over without harm when the visitor goes away meanwhile', async () => {
      const { promise, resolve } = deferred()
      let observer: Observer | undefined
      const url = await listen(
        httpServer((_req, res) => {
          observer = observe(new Observer(res))
          observer.wait = promise
          res.end('hello')
          client.destroy()
        }),
      )
      const client = http.get(url, { agent: false })
      client.on('error', () => {})
      await waitFor(() => observer?.calls.includes('close'))
      resolve()
      await new Promise((go) => setImmediate(go))
      expect(observer?.calls.slice(0, 2)).toEqual(['finish', 'close'])
    })
  })

  describe('a response that is ended twice', () => {
    it('is answered with what came first, as without hooks', async () => {
      const { body, cookies, observer } = await answer((res) => {
        res.end('hello')
        res.end()
      })
      expect([body, cookies]).toEqual(['hello', ['ours=1']])
      expect(observer.calls.filter((call) => call !== 'close')).toEqual(['finish', 'head'])
    })
  })

  describe('a response of which not everything is of interest', () => {
    /** Answers one request whose observer watches only this, and gives which of the response's methods were replaced. */
    async function watching(...watches: ((observer: ResponseObserver) => void)[]) {
      let observer: Observer | undefined
      let replaced: string[] = []
      const url = await listen(
        httpServer((_req, res) => {
          observer = new Observer(res)
          for (const watch of watches) watch(observer)
          replaced = ['writeHead', 'end'].filter((name) => Object.hasOwn(res, name))
          res.once('close', () => observer?.calls.push('over'))
          res.end('hello')
        }),
      )
      const { body, cookies } = await request(url)
      await waitFor(() => observer?.calls.includes('over'))
      return { body, cookies, replaced, calls: observer?.calls }
    }

    it('keeps its own methods when only the end of all is', async () => {
      expect(await watching(watchClose)).toEqual({
        body: 'hello',
        cookies: [],
        replaced: [],
        calls: ['close', 'over'],
      })
    })

    it('keeps its own way to write the head when only its end is', async () => {
      expect(await watching(watchEnd)).toEqual({
        body: 'hello',
        cookies: [],
        replaced: prototype === undefined ? ['end'] : [],
        calls: ['finish', 'over'],
      })
    })

    it('keeps its own end when only its head is', async () => {
      expect(await watching(watchHead)).toEqual({
        body: 'hello',
        cookies: ['ours=1'],
        replaced: prototype === undefined ? ['writeHead'] : [],
        calls: ['head', 'over'],
      })
    })

    it('may be watched more closely later, in any order', async () => {
      const result = await watching(watchClose, watchEnd, watchHead)
      expect(result).toMatchObject({ cookies: ['ours=1'], calls: ['finish', 'head', 'close', 'over'] })
    })
  })

  describe('a response with two observers', () => {
    it('tells both, as two session managers may serve one request', async () => {
      let second: Observer | undefined
      const { cookies, body, observer } = await answer((res) => {
        second = observe(new Observer(res, 'second'))
        res.end('hello')
      })
      expect([...cookies].sort()).toEqual(['ours=1', 'second=1'])
      expect([body, observer.calls, second?.calls]).toEqual([
        'hello',
        ['finish', 'head', 'close'],
        ['finish', 'head', 'close'],
      ])
    })
  })

  describe('a response that has methods of its own', () => {
    it('has them watched too', async () => {
      const order: string[] = []
      const url = await listen(
        httpServer((_req, res) => {
          const { end, writeHead } = res
          res.end = function own(this: ServerResponse, ...args: unknown[]) {
            order.push('own end')
            return end.apply(this, args as Parameters<ServerResponse['end']>)
          } as ServerResponse['end']
          res.writeHead = function own(this: ServerResponse, ...args: unknown[]) {
            order.push('own head')
            return writeHead.apply(this, args as Parameters<ServerResponse['writeHead']>)
          } as ServerResponse['writeHead']
          const observer = observe(new Observer(res))
          observer.calls.push = (call: string) => order.push(call)
          res.end('hello')
        }),
      )
      const { body, cookies } = await request(url)
      await waitFor(() => order.includes('close'))
      expect([body, cookies]).toEqual(['hello', ['ours=1']])
      expect(order).toEqual(['finish', 'own end', 'head', 'own head', 'close'])
    })
  })
})

describe('a response that leaves an application', () => {
  it('is watched as before in the one around it', async () => {
    const inner = Object.create(Object.create(shared))
    prototype = Object.create(shared) as object
    const outer = prototype
    const { body, cookies, observer } = await answer(
      (res) => {
        Object.setPrototypeOf(res, outer)
        res.end('hello')
      },
      'GET',
      (res) => Object.setPrototypeOf(res, inner),
    )
    expect([body, cookies, observer.calls]).toEqual(['hello', ['ours=1'], ['finish', 'head', 'close']])
  })
})

describe('a stand-in for a response', () => {
  it('may be an empty object', () => {
    const res = {} as ServerResponse
    expect(() => observe(new Observer(res))).not.toThrow()
    expect(Object.keys(res)).toEqual([])
  })

  it('may have an end alone', async () => {
    const ended: unknown[] = []
    const res = {
      end(...args: unknown[]) {
        ended.push(args)
        return 'result'
      },
    }
    const observer = observe(new Observer(res as never))
    expect(res.end('x', 'utf8')).toBe('result')
    expect([ended, observer.calls]).toEqual([[['x', 'utf8']], ['finish', 'head', 'close']])
    const waiting = { end: () => ended.push('later') }
    const other = observe(new Observer(waiting as never))
    other.wait = Promise.resolve()
    waiting.end()
    await waitFor(() => ended.includes('later'))
    expect(other.calls).toEqual(['finish', 'head', 'close'])
  })
})
