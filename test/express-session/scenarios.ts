import { promisify } from 'node:util'
import type { AnySession, CommonOptions, Handle, Mode } from './worlds.js'

/** What an application does, and who visits it: the same over express-session and over Holdfast. */
export interface Scenario {
  title: string
  options?: CommonOptions
  /** By path. */
  handle: Record<string, Handle>
  /** Paths in their order; a browser with one cookie. */
  visits: string[]
  /**
   * Where Holdfast is to differ, with words of the row in docs/migrating-from-express-session.md that says so. A difference that is
   * not there any more is to be taken out as well.
   */
  differs?: { row: string; modes?: readonly Mode[] }
}

const put: Handle = (req, res) => {
  req.session.user = 'ann'
  res.end('put')
}
const show: Handle = (req, res) => {
  const { cookie: _cookie, ...attributes } = req.session
  res.json(attributes)
}
const showId: Handle = (req, res) => void res.json([req.sessionID, req.session.id])
/* With a callback, as both take one. */
const call = (session: AnySession, name: string) => promisify(session[name].bind(session))()
const regenerate: Handle = async (req, res) => {
  await call(req.session, 'regenerate')
  res.json(req.sessionID)
}
const nameOf = (error: unknown) => (error ? 'an error' : 'no error')
const outcome = (work: Promise<unknown>) => work.then(() => 'no error', nameOf)
/** Does one thing after the other. */
const steps =
  (...all: Handle[]): Handle =>
  async (req, res) => {
    for (const step of all) await step(req, res)
  }
const assign =
  (attributes: object): Handle =>
  (req) =>
    void Object.assign(req.session, attributes)
const setCookie =
  (settings: object): Handle =>
  (req) =>
    void Object.assign(req.session.cookie, settings)
const end: Handle = (_req, res) => void res.end()
const setTo =
  (value: unknown): Handle =>
  (req) => {
    req.session = value
  }
const twice = (...paths: string[]) => paths.flatMap((path) => [path, path])

/** Copies as libraries make them: a new object of the session's prototype, then property by property. */
function cloneOf(session: AnySession): AnySession {
  const copy = Object.create(Object.getPrototypeOf(session))
  for (const [name, value] of Object.entries(session)) copy[name] = value
  return copy
}

const respond: [string, Handle][] = [
  ['end(text)', (_req, res) => void res.end('text')],
  ['end(null)', (_req, res) => void res.end(null)],
  ['end with a buffer', (_req, res) => void res.end(Buffer.from('bytes'))],
  ['json', (_req, res) => void res.json({ a: 1 })],
  ['redirect', (_req, res) => void res.redirect('/there')],
  ['status 204', (_req, res) => void res.status(204).end()],
  [
    'writes',
    steps(
      (_req, res) => res.write('a'),
      (_req, res) => res.write('b'),
      (_req, res) => res.end('c'),
    ),
  ],
  ['writeHead with headers', (_req, res) => void res.writeHead(201, { 'X-A': '1' }).end('made')],
  ['writeHead with a cookie', (_req, res) => void res.writeHead(200, { 'Set-Cookie': 'a=1' }).end('two')],
  ['a Content-Length', (_req, res) => void res.set('Content-Length', '5').end('hello')],
  [
    'flushHeaders',
    steps(
      (_req, res) => res.flushHeaders(),
      (_req, res) => res.end('late'),
    ),
  ],
  ['end twice', steps((_req, res) => res.end('once'), end)],
  ['an exception', () => Promise.reject(new Error('on purpose'))],
]

const keeping: CommonOptions[] = [{ saveUninitialized: false }, { saveUninitialized: true }]
const said = ({ saveUninitialized }: CommonOptions) =>
  saveUninitialized ? 'empty sessions kept' : 'empty sessions not kept'

export const scenarios: Scenario[] = [
  ...keeping.flatMap((options): Scenario[] => [
    {
      title: `nothing is done, ${said(options)}`,
      options,
      handle: { '/': (_req, res) => void res.end() },
      visits: twice('/'),
    },
    { title: `the id is asked for, ${said(options)}`, options, handle: { '/': showId }, visits: ['/'] },
    {
      title: `something is put in, ${said(options)}`,
      options,
      handle: { '/put': put, '/': show },
      visits: ['/', '/put', '/', '/'],
    },
    {
      title: `regenerate and nothing else, ${said(options)}`,
      options,
      handle: { '/put': put, '/regenerate': regenerate, '/id': showId, '/': show },
      visits: ['/put', '/regenerate', '/id', '/'],
    },
    {
      title: `regenerate of a visitor without a cookie, ${said(options)}`,
      options,
      handle: { '/regenerate': regenerate, '/id': showId },
      visits: ['/regenerate', '/id'],
    },
    {
      title: `regenerate, then something is put in, ${said(options)}`,
      options,
      handle: {
        '/put': put,
        '/login': async (req, res) => {
          await call(req.session, 'regenerate')
          req.session.user = 'bob'
          res.json(req.sessionID)
        },
        '/': show,
      },
      visits: ['/put', '/login', '/'],
    },
    {
      title: `the logout of express-session's readme, ${said(options)}`,
      options,
      handle: {
        '/put': put,
        '/logout': async (req, res) => {
          req.session.user = null
          await call(req.session, 'save')
          await call(req.session, 'regenerate')
          res.redirect('/')
        },
        '/': show,
        '/id': showId,
      },
      visits: ['/put', '/logout', '/', '/id'],
    },
    {
      title: `destroy, ${said(options)}`,
      options,
      handle: {
        '/put': put,
        '/destroy': async (req, res) => {
          const before = req.sessionID
          await call(req.session, 'destroy')
          res.json([typeof req.session, req.sessionID === before])
        },
        '/': show,
      },
      visits: ['/put', '/destroy', '/', '/put', '/'],
    },
    {
      title: `save of an empty session, ${said(options)}`,
      options,
      handle: { '/save': steps((req) => call(req.session, 'save'), end), '/id': showId },
      visits: ['/save', '/id'],
    },
    {
      title: `reload of a session that nobody has stored, ${said(options)}`,
      options,
      handle: {
        '/reload': async (req, res) => {
          req.session.a = 1
          const result = await outcome(call(req.session, 'reload'))
          res.json([result, req.session.a])
        },
        '/': show,
      },
      visits: ['/reload', '/'],
    },
    {
      title: `the session is taken off, and destroyed, ${said(options)}`,
      options: { ...options, unset: 'destroy' },
      handle: {
        '/put': put,
        '/unset': steps((req) => Reflect.deleteProperty(req, 'session'), end),
        '/': show,
      },
      visits: ['/put', '/unset', '/'],
    },
  ]),
  ...respond.map(
    ([how, answer]): Scenario => ({
      title: `a change, answered by ${how}`,
      handle: { '/change': steps(assign({ a: 1 }), answer), '/': show },
      visits: ['/change', '/'],
    }),
  ),
  {
    title: 'attributes of all kinds',
    handle: {
      '/put': (req, res) => {
        Object.assign(req.session, {
          text: 'é',
          number: 0,
          no: false,
          none: null,
          list: [1, [2]],
          deep: { a: { b: 1 } },
        })
        res.end()
      },
      '/change': (req, res) => {
        req.session.list[1].push(3)
        req.session.deep.a.b++
        delete req.session.text
        res.end()
      },
      '/': show,
    },
    visits: ['/put', '/', '/change', '/'],
  },
  {
    title: 'a date, which becomes text',
    handle: {
      '/put': steps(assign({ at: new Date(0) }), end),
      '/': (req, res) => void res.json(typeof req.session.at),
    },
    visits: ['/put', '/'],
  },
  {
    title: 'what JSON leaves out',
    handle: {
      '/put': steps(assign({ f: () => 1, s: Symbol('s'), u: undefined, a: 1 }), end),
      '/': (req, res) =>
        void res.json([typeof req.session.f, typeof req.session.s, 'u' in req.session, Object.keys(req.session)]),
    },
    visits: ['/put', '/'],
    differs: { row: 'a function, a symbol or `undefined` stays', modes: ['sticky', 'sync'] },
  },
  {
    title: 'a session as an object',
    handle: {
      '/put': put,
      '/': (req, res) => {
        const { session } = req
        const { originalMaxAge: _age, ...cookie } = JSON.parse(JSON.stringify(session)).cookie
        res.json([
          Object.keys(session),
          Object.keys({ ...session }),
          'user' in session,
          'nothing' in session,
          Object.keys(cookie)
            .filter((name) => ['expires', 'httpOnly', 'path', 'sameSite'].includes(name))
            .sort(),
          Object.entries(session).length,
          typeof session.save,
        ])
      },
    },
    visits: ['/put', '/'],
  },
  {
    title: 'copies of a session',
    handle: {
      '/put': steps(assign({ deep: { a: 1 } }), end),
      '/': (req, res) => {
        const copies = [
          cloneOf(req.session),
          { ...req.session },
          Object.assign({}, req.session),
          JSON.parse(JSON.stringify(req.session)),
        ]
        res.json(copies.map((copy) => [Object.keys(copy), copy.deep, typeof copy.cookie]))
      },
    },
    visits: ['/put', '/'],
  },
  {
    title: 'a copy that is put back after regenerate',
    handle: {
      '/put': put,
      '/login': async (req, res) => {
        const { cookie: _cookie, ...copy } = cloneOf(req.session)
        await call(req.session, 'regenerate')
        Object.assign(req.session, copy)
        res.end()
      },
      '/': show,
    },
    visits: ['/put', '/login', '/'],
  },
  {
    title: 'structuredClone',
    handle: {
      '/': (req, res) =>
        void res.end(structuredClone({ ...req.session, cookie: 0 }) && outcomeOf(() => structuredClone(req.session))),
    },
    visits: ['/'],
    differs: { row: '`structuredClone(req.session)`' },
  },
  {
    title: 'a method that somebody has put something around',
    handle: {
      '/': async (req, res) => {
        let calls = 0
        const { save } = req.session
        req.session.save = function (this: AnySession, ...args: unknown[]) {
          calls++
          return save.apply(this, args)
        }
        req.session.a = 1
        await call(req.session, 'save')
        res.json([calls, Object.keys(req.session)])
      },
      '/show': show,
    },
    visits: ['/', '/show'],
  },
  {
    title: 'an assigned req.session',
    handle: { '/put': steps(setTo({ user: 'ann' }), end), '/': show },
    visits: ['/put', '/'],
    differs: { row: '`req.session = { … }`' },
  },
  {
    title: 'req.session = null, kept',
    handle: {
      '/put': put,
      '/null': steps(setTo(null), end),
      '/': show,
    },
    visits: ['/put', '/null', '/'],
  },
  {
    title: 'req.session = null, kept, after a change',
    handle: {
      '/put': put,
      '/null': steps(assign({ user: 'bob' }), setTo(null), end),
      '/': show,
    },
    visits: ['/put', '/null', '/'],
    differs: { row: "`req.session = null` with `unset: 'keep'`" },
  },
  {
    title: 'the id after req.session = null',
    handle: { '/put': put, '/null': steps(setTo(null), (req, res) => res.json(typeof req.sessionID)) },
    visits: ['/put', '/null'],
    differs: { row: '`req.sessionID` stays after `req.session = null`' },
  },
  {
    title: 'destroy twice, and then regenerate',
    handle: {
      '/put': put,
      '/': async (req, res) => {
        const { session, sessionID } = req
        await call(session, 'destroy')
        await call(session, 'destroy')
        await call(session, 'regenerate')
        req.session.user = 'bob'
        res.json([req.sessionID === sessionID, req.sessionID === req.session.id, req.sessionID])
      },
      '/show': show,
    },
    visits: ['/put', '/', '/show'],
  },
  {
    title: 'destroy, then a save of the old object',
    handle: {
      '/put': put,
      '/': async (req, res) => {
        const { session } = req
        await call(session, 'destroy')
        await outcome(call(session, 'save'))
        res.end()
      },
      '/show': show,
    },
    visits: ['/put', '/', '/show'],
    differs: { row: 'a late request can write a session back' },
  },
  {
    title: 'regenerate twice',
    handle: {
      '/put': put,
      '/': async (req, res) => {
        await call(req.session, 'regenerate')
        await call(req.session, 'regenerate')
        req.session.user = 'bob'
        res.json(req.sessionID)
      },
      '/show': show,
    },
    visits: ['/put', '/', '/show'],
  },
  {
    title: 'an id that the visitor has made up',
    handle: { '/': showId, '/put': put },
    visits: ['/?cookie=sid=made-up', '/put', '/'],
  },
  {
    title: 'an assigned req.sessionID',
    handle: {
      '/put': put,
      '/': steps(
        assign({ a: 1 }),
        (req) => Object.assign(req, { sessionID: 'other' }),
        (req, res) => res.json(req.sessionID),
      ),
      '/show': show,
    },
    visits: ['/put', '/', '/show'],
    differs: { row: 'a changed `req.sessionID` decides' },
  },
  {
    title: 'reload drops what was not saved',
    handle: {
      '/put': put,
      '/': async (req, res) => {
        req.session.user = 'bob'
        req.session.more = 1
        const result = await outcome(call(req.session, 'reload'))
        res.json([result, req.session.user, req.session.more])
      },
    },
    visits: ['/put', '/'],
  },
  {
    title: 'a change after the response',
    handle: {
      '/put': put,
      '/': (req, res) => {
        res.end('done')
        req.session.late = 1
      },
      '/show': show,
    },
    visits: ['/put', '/', '/show'],
    differs: { row: 'what a handler changes after it has ended the response' },
  },
  {
    title: 'a change and a save while the response is under way',
    handle: {
      '/put': put,
      '/': async (req, res) => {
        res.write('so far')
        req.session.late = 1
        await call(req.session, 'save')
        res.end()
      },
      '/show': show,
    },
    visits: ['/put', '/', '/show'],
  },
  {
    title: 'a cookie with an age',
    options: { cookie: { maxAge: 60_000 } },
    handle: {
      '/put': put,
      '/': show,
      '/age': (req, res) => void res.json([req.session.cookie.originalMaxAge, req.session.cookie.maxAge > 50_000]),
    },
    visits: ['/put', '/', '/age', '/put'],
  },
  {
    title: 'a cookie without an age',
    handle: {
      '/': (req, res) =>
        void res.json([
          req.session.cookie.originalMaxAge,
          req.session.cookie.expires,
          typeof req.session.cookie.maxAge,
        ]),
    },
    visits: ['/'],
    differs: { row: '`cookie.maxAge` without an age' },
  },
  {
    title: 'rolling',
    options: { rolling: true, cookie: { maxAge: 60_000 } },
    handle: { '/put': put, '/': (_req, res) => void res.end('nothing') },
    visits: ['/', '/put', '/', '/'],
  },
  {
    title: 'remember me',
    handle: {
      '/in': steps(assign({ user: 'ann' }), setCookie({ maxAge: 90_000 }), end),
      '/': show,
      '/age': (req, res) => void res.json(req.session.cookie.originalMaxAge),
    },
    visits: ['/in', '/', '/age'],
  },
  {
    title: 'an age that is changed later',
    handle: { '/put': put, '/': steps(setCookie({ maxAge: 90_000 }), end) },
    visits: ['/put', '/'],
    differs: { row: 'a changed `cookie.maxAge` is not sent by itself' },
  },
  {
    title: 'attributes of the cookie',
    options: {
      cookie: { path: '/shop', domain: 'example.org', httpOnly: false, sameSite: 'strict', priority: 'high' },
    },
    handle: { '/shop': put, '/shop/a': put, '/other': (req, res) => void res.json(typeof req.session) },
    visits: ['/shop', '/shop/a', '/other'],
  },
  {
    title: 'a path that only begins like the cookie’s',
    options: { cookie: { path: '/shop' } },
    handle: { '/shopping': (req, res) => void res.json(typeof req.session) },
    visits: ['/shopping'],
    differs: { row: '`/administrator` has a session too' },
  },
  {
    title: 'a secure cookie on a connection that is not',
    options: { cookie: { secure: true } },
    handle: { '/put': put, '/': show },
    visits: ['/put', '/'],
  },
  {
    title: 'attributes that one session sets for its cookie',
    handle: {
      '/put': steps(setCookie({ path: '/a', httpOnly: false, sameSite: 'strict' }), put),
    },
    visits: ['/put'],
  },
  {
    title: 'an end that is no date',
    handle: { '/put': steps(setCookie({ expires: new Date(Number.NaN) }), put) },
    visits: ['/put'],
  },
  {
    title: 'two cookies of the application beside the session’s',
    handle: { '/put': steps((_req, res) => res.cookie('a', '1').cookie('b', '2'), put) },
    visits: ['/put'],
  },
  {
    title: 'touch',
    options: { cookie: { maxAge: 60_000 } },
    handle: { '/put': put, '/touch': (req, res) => res.json(req.session.touch() === req.session) },
    visits: ['/put', '/touch'],
  },
  {
    title: 'a handler that fails after a change',
    handle: { '/': steps(assign({ a: 1 }), () => Promise.reject(new Error('on purpose'))), '/show': show },
    visits: ['/', '/show'],
  },
  {
    title: 'a value that can’t be serialised',
    handle: {
      '/': (req, res) => {
        const circle: Record<string, unknown> = {}
        circle.circle = circle
        req.session.circle = circle
        req.session.a = 1
        res.end('done')
      },
      '/show': show,
    },
    visits: ['/', '/show'],
    differs: { row: "a value that can't be serialised makes `res.end` throw" },
  },
  {
    title: 'a session in front of the middleware',
    handle: { '/': (req, res) => void res.json([typeof (req as { sessionStore?: unknown }).sessionStore]) },
    visits: ['/'],
    differs: { row: '`req.sessionStore`' },
  },
]

function outcomeOf(work: () => unknown): string {
  try {
    work()
    return 'no error'
  } catch (error) {
    return nameOf(error)
  }
}
