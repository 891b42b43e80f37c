import { json, type Request } from 'express'
import passport from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { sessionOf } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { expressVersions } from './express-versions.js'
import { type AppParts, attributesOf, startTwoServers, type TwoServers } from './two-servers.js'

const right = { username: 'ada', password: 'right' }

function addAccounts({ app, sessions }: AppParts): undefined {
  const accounts = accountsByName()
  app.use(sessions.middleware(), json(), accounts.session())
  const toHome = { successReturnToOrRedirect: '/', failureRedirect: '/login', failureMessage: true }
  app.post('/login', accounts.authenticate('local', toHome))
  app.post('/login-with-basket', accounts.authenticate('local', { ...toHome, keepSessionInfo: true }))
  app.post('/logout', (req, res, next) => {
    req.logout({ keepSessionInfo: req.body.keep === true }, (error) => (error ? next(error) : res.redirect('/')))
  })
  app.post('/basket', (req, res) => {
    sessionOf(req).basket = req.body
    sessionOf(req).cookie.maxAge = 3_600_000
    res.end()
  })
  app.get('/private', (req, res) => {
    if (req.isAuthenticated()) return void res.send('private')
    sessionOf(req).returnTo = '/private'
    res.redirect('/login')
  })
  app.get('/login', (req, res) => {
    const { messages = [] } = sessionOf(req)
    delete sessionOf(req).messages
    res.json(messages)
  })
  app.get('/', (req, res) => {
    const { cookie, ...attributes } = sessionOf(req)
    res.json({ user: nameOf(req), cookieAge: cookie.originalMaxAge, ...attributes })
  })
}

function accountsByName() {
  const accounts = new passport.Passport()
  accounts.use(
    new LocalStrategy((name, password, done) =>
      password === 'right' ? done(null, { name }) : done(null, false, { message: `wrong password for ${name}` }),
    ),
  )
  accounts.serializeUser((user, done) => done(null, (user as { name: string }).name))
  accounts.deserializeUser((name: string, done) => done(null, { name }))
  return accounts
}

function nameOf(req: Request): string | null {
  return (req.user as { name: string } | undefined)?.name ?? null
}

describe.each(expressVersions)('passport under $version', ({ express }) => {
  let servers: TwoServers
  let a: AppParts
  let b: AppParts
  let visitor: Visitor

  beforeEach(async () => {
    servers = await startTwoServers(express, { trustFor: '50ms' }, addAccounts)
    a = servers.a
    b = servers.b
    visitor = new Visitor()
  })

  afterEach(() => servers.close())

  async function home(server: AppParts, who = visitor): Promise<Record<string, unknown>> {
    return (await who.get(`${server.url}/`)).json()
  }

  async function logIn(server: AppParts, path = '/login'): Promise<void> {
    const answer = await visitor.post(server.url + path, right)
    expect(answer.status).toBe(302)
  }

  /* A server that has had the session itself may go on with it for as long as `trustFor` says. */
  async function expectDead(ids: (string | undefined)[], attribute: string): Promise<void> {
    for (const id of ids) {
      expect(id).toBeDefined()
      for (const server of [a, b]) {
        await waitFor(async () => (await attributesOf(server, id as string))[attribute] == null, {
          message: `${id} to be dead`,
        })
      }
    }
  }

  it('a login on one server counts on the other as soon as it is answered', async () => {
    await logIn(a)
    expect(await home(b)).toMatchObject({ user: 'ada' })
    expect(visitor.route).toBe('b')
    expect(b.sessions.stats().counters.takeovers).toBe(1)
  })

  it('a login gives a new id, and the old one leads nowhere on any server', async () => {
    await visitor.post(`${a.url}/basket`, ['tea'])
    await a.sessions.flush()
    const before = { a: visitor.id, token: visitor.token }
    expect(await home(b)).toMatchObject({ basket: ['tea'] })
    const atB = visitor.id
    await logIn(a)
    expect(visitor.token).not.toBe(before.token)
    await expectDead([before.a, atB], 'basket')
    expect(await home(b)).toMatchObject({ user: 'ada' })
  })

  it('a login forgets what the session held, unless keepSessionInfo asks for it', async () => {
    await visitor.post(`${a.url}/basket`, ['tea'])
    const before = visitor.id as string
    await logIn(a, '/login-with-basket')
    expect(await home(b)).toEqual({
      user: 'ada',
      cookieAge: 3_600_000,
      basket: ['tea'],
      passport: { user: 'ada' },
    })
    await expectDead([before], 'basket')
    await logIn(b)
    expect(await home(a)).toEqual({ user: 'ada', cookieAge: null, passport: { user: 'ada' } })
  })

  it('a login on one server is ended by a logout on the other, and its id leads nowhere on any server', async () => {
    await logIn(b)
    const atB = visitor.id
    expect(await home(a)).toMatchObject({ user: 'ada' })
    const atA = visitor.id
    const answer = await visitor.post(`${a.url}/logout`, {})
    expect(answer.status).toBe(302)
    await expectDead([atA, atB], 'user')
    expect(await home(a)).toMatchObject({ user: null })
    expect(await home(b)).toMatchObject({ user: null })
  })

  it('a logout with keepSessionInfo keeps everything but the user, under a new id', async () => {
    await visitor.post(`${a.url}/basket`, ['tea'])
    await logIn(a, '/login-with-basket')
    const before = visitor.token
    await visitor.post(`${a.url}/logout`, { keep: true })
    expect(visitor.token).not.toBe(before)
    await a.sessions.flush()
    expect(await home(b)).toMatchObject({ user: null, basket: ['tea'], passport: {} })
  })

  it('a wrong password leaves a message that is read once, on the other server', async () => {
    const answer = await visitor.post(`${a.url}/login`, { ...right, password: 'wrong' })
    expect(answer.headers.location).toBe('/login')
    await a.sessions.flush()
    expect((await visitor.get(`${b.url}/login`)).json()).toEqual(['wrong password for ada'])
    expect((await visitor.get(`${b.url}/login`)).json()).toEqual([])
  })

  it('wrong passwords pile up in one list of messages', async () => {
    for (const username of ['ada', 'bob']) await visitor.post(`${a.url}/login`, { username, password: 'wrong' })
    await a.sessions.flush()
    const messages = ['wrong password for ada', 'wrong password for bob']
    expect((await visitor.get(`${b.url}/login`)).json()).toEqual(messages)
  })

  it('a visitor who is sent to the login returns to where it came from', async () => {
    expect((await visitor.get(`${a.url}/private`)).headers.location).toBe('/login')
    await a.sessions.flush()
    const answer = await visitor.post(`${b.url}/login-with-basket`, right)
    expect(answer.headers.location).toBe('/private')
    expect((await visitor.get(`${b.url}/private`)).body).toBe('private')
    await b.sessions.flush()
    expect((await visitor.get(`${a.url}/private`)).body).toBe('private')
    expect(await home(a)).not.toHaveProperty('returnTo')
  })
})
