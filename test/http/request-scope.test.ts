import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createSessionManager, type Sessions } from '../../src/create-session-manager.js'
import { silentLogger } from '../../src/logger.js'
import { Visitor } from '../support/visitor.js'

type Request = IncomingMessage & { session: Record<string, unknown> }

let sessions: Sessions
let server: http.Server

async function start(
  backup: object,
  handler: (req: Request, res: ServerResponse) => void,
  others: object = {},
): Promise<string> {
  sessions = createSessionManager({ secret: 'a secret for tests', logger: silentLogger, backup, ...others } as never)
  const middleware = sessions.middleware()
  server = http.createServer((req, res) => middleware(req, res, () => handler(req as Request, res)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await sessions.ready()
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await sessions.close({ timeout: 1000 })
})

/** Backups that had been acknowledged when the response's end went out. */
function storedAtEnd(res: ServerResponse): Promise<number> {
  return new Promise((resolve) => {
    const { socket } = res
    const write = socket?.write.bind(socket) as (...args: unknown[]) => boolean
    let last = 0
    Object.assign(socket as object, {
      write: (...args: unknown[]) => {
        last = sessions.stats().counters.backupsStored
        return write(...args)
      },
    })
    res.once('finish', () => resolve(last))
  })
}

describe('a response with backup mode "sync"', () => {
  it('waits for the backup of what its request changed', async () => {
    let stored: Promise<number> | undefined
    const url = await start({ mode: 'sync' }, (req, res) => {
      stored = storedAtEnd(res)
      req.session.a = 1
      res.end('done')
    })
    await new Visitor().get(url)
    expect(await stored).toBe(1)
  })

  it('waits for it too when the head was written before the end', async () => {
    let stored: Promise<number> | undefined
    const url = await start({ mode: 'sync' }, (req, res) => {
      stored = storedAtEnd(res)
      req.session.a = 1
      res.writeHead(200)
      res.end('done')
    })
    await new Visitor().get(url)
    expect(await stored).toBe(1)
    expect(sessions.stats().counters).toMatchObject({ requestsWithChange: 1, requestsWithoutChange: 0 })
  })

  it('waits for it too when another request of the session has committed the change first (W28)', async () => {
    const visitor = new Visitor()
    let stored: Promise<number> | undefined
    let endFirst = (): void => {}
    const url = await start({ mode: 'sync' }, (req, res) => {
      if (req.url === '/first') {
        stored = storedAtEnd(res)
        req.session.first = 1
        endFirst = () => res.end('first')
        void visitor.copy().get(`${url}/second`)
      } else {
        req.session.other = req.url
        res.end('other')
        endFirst()
      }
    })
    await visitor.get(`${url}/begin`)
    await visitor.get(`${url}/first`)
    expect(await stored).toBe(2)
  })

  it('costs one storage operation for one change', async () => {
    const url = await start({ mode: 'sync' }, (req, res) => {
      req.session.count = Number(req.session.count ?? 0) + 1
      res.end(String(req.session.count))
    })
    const visitor = new Visitor()
    for (let i = 1; i <= 5; i++) expect((await visitor.get(url)).body).toBe(String(i))
    expect(sessions.stats().counters).toMatchObject({ backupsStored: 5, verifications: 0 })
  })
})

describe('a request that only reads its session', () => {
  it('leaves the methods of the response alone, and so does one that changes it while nobody waits for its backup', async () => {
    const replaced: Record<string, string[]> = {}
    const url = await start({}, (req, res) => {
      if (req.url === '/begin') Object.assign(req.session, { list: [1], n: 1 })
      if (req.url === '/primitive') req.session.n
      if (req.url === '/object') req.session.list
      if (req.url === '/change') req.session.n = 2
      replaced[req.url as string] = ['writeHead', 'end'].filter((name) => Object.hasOwn(res, name))
      res.end()
    })
    const visitor = new Visitor()
    for (const path of ['/begin', '/nothing', '/primitive', '/object', '/change']) await visitor.get(url + path)
    expect(replaced).toEqual({
      '/begin': ['writeHead', 'end'],
      '/nothing': [],
      '/primitive': [],
      '/object': [],
      '/change': [],
    })
  })

  it('waits for the backup in mode "sync" when it changes inside what it was given', async () => {
    let stored: Promise<number> | undefined
    const url = await start({ mode: 'sync' }, (req, res) => {
      if (req.url === '/begin') {
        req.session.list = [1]
      } else {
        stored = storedAtEnd(res)
        ;(req.session.list as number[]).push(2)
      }
      res.end('done')
    })
    const visitor = new Visitor()
    await visitor.get(`${url}/begin`)
    await visitor.get(`${url}/push`)
    expect(await stored).toBe(2)
  })
})

describe('a request that unsets its session', () => {
  it.each([
    ['null, unused', (req: Request) => Object.assign(req, { session: null })],
    ['removed, unused', (req: Request) => Reflect.deleteProperty(req, 'session')],
    [
      'null, after it was read',
      (req: Request) => Object.assign(req, { session: req.session.a === 1 ? null : req.session }),
    ],
  ])('ends it when that is configured: %s', async (_name, unset) => {
    const url = await start(
      {},
      (req, res) => {
        if (req.url === '/begin') req.session.a = 1
        else if (req.url === '/unset') unset(req)
        else return res.end(String(req.session.a))
        return res.end()
      },
      { unset: 'destroy' },
    )
    const visitor = new Visitor()
    await visitor.get(`${url}/begin`)
    expect((await visitor.get(`${url}/look`)).body).toBe('1')
    await visitor.get(`${url}/unset`)
    expect((await visitor.get(`${url}/look`)).body).toBe('undefined')
    expect(sessions.stats().counters.sessionsDestroyed).toBe(1)
  })
})

describe('a request that ended its session', () => {
  it('gets its answer although the middleware stands twice in the way', async () => {
    const url = await start({}, async (req, res) => {
      if (req.url !== '/end') {
        req.session.a = 1
        return res.end('begun')
      }
      await (req.session as { destroy?: () => Promise<void> }).destroy?.()
      sessions.middleware()(req, res, () => {
        req.session.b = 2
        res.end(`ended, and ${Object.keys(req.session)}`)
      })
    })
    const visitor = new Visitor()
    await visitor.get(url)
    expect(await visitor.get(`${url}/end`)).toMatchObject({ status: 200, body: 'ended, and cookie,b' })
  })
})
