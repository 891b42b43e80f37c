import flash from 'connect-flash'
import express, { json } from 'express'
import passport from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AppParts, attributesOf, startTwoServers, type TwoServers } from '../packages/two-servers.js'
import { sessionOf } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'

const right = { username: 'ada', password: 'right' }

/** A site with logins by passport and messages by connect-flash. */
function addSite({ app, sessions }: AppParts): undefined {
  const accounts = accountsByName()
  app.use(sessions.middleware(), json(), flash(), accounts.session())
  const options = { successRedirect: '/', failureRedirect: '/login', failureFlash: true, successFlash: 'welcome' }
  app.post('/login', accounts.authenticate('local', options))
  app.post('/login-with-basket', accounts.authenticate('local', { ...options, keepSessionInfo: true }))
  app.post('/logout', (req, res, next) => req.logout((error) => (error ? next(error) : res.redirect('/'))))
  app.post('/basket', (req, res) => {
    sessionOf(req).basket = req.body
    res.redirect('/')
  })
  app.get('/login', (req, res) => void res.json(req.flash()))
  app.get('/', (req, res) => {
    const { cookie: _cookie, ...attributes } = sessionOf(req)
    res.json({ user: (req.user as { name: string } | undefined)?.name ?? null, ...attributes })
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

describe('a site whose visitors go to another server with every request', () => {
  let servers: TwoServers
  let visitor: Visitor
  let turn: number

  beforeEach(async () => {
    servers = await startTwoServers(express, { mode: 'non-sticky' }, addSite)
    visitor = new Visitor()
    turn = 0
  })

  afterEach(() => servers.close())

  /** The next server's turn. */
  const url = () => (turn++ % 2 === 0 ? servers.a : servers.b).url
  const home = async () => (await visitor.get(`${url()}/`)).json<Record<string, unknown>>()

  async function expectDead(id: string): Promise<void> {
    for (const server of [servers.a, servers.b]) expect(await attributesOf(server, id)).toEqual({ user: null })
  }

  it('a login counts at once, a logout too, and the ids from before lead nowhere', async () => {
    await visitor.post(`${url()}/basket`, ['tea'])
    const before = visitor.id as string
    expect((await visitor.post(`${url()}/login-with-basket`, right)).status).toBe(302)
    for (let i = 0; i < 3; i++) expect(await home()).toMatchObject({ user: 'ada', basket: ['tea'] })
    await expectDead(before)
    const during = visitor.id as string
    expect((await visitor.post(`${url()}/logout`, {})).status).toBe(302)
    for (let i = 0; i < 3; i++) expect(await home()).toMatchObject({ user: null })
    await expectDead(during)
  })

  it('a login forgets what the session held, unless it is asked to keep it', async () => {
    await visitor.post(`${url()}/basket`, ['tea'])
    await visitor.post(`${url()}/login`, right)
    expect(await home()).not.toHaveProperty('basket')
  })

  it('messages pile up in one list, and are read once', async () => {
    for (const username of ['ada', 'bob', 'eve']) {
      const answer = await visitor.post(`${url()}/login`, { username, password: 'wrong' })
      expect(answer.headers.location).toBe('/login')
    }
    const error = ['ada', 'bob', 'eve'].map((name) => `wrong password for ${name}`)
    expect((await visitor.get(`${url()}/login`)).json()).toEqual({ error })
    for (let i = 0; i < 2; i++) expect((await visitor.get(`${url()}/login`)).json()).toEqual({})
  })

  it('works under one lock for each session as well', async () => {
    for (const { sessions } of [servers.a, servers.b]) {
      sessions.reconfigure({ locking: { mode: 'all', timeout: '10s' } })
    }
    await visitor.post(`${url()}/basket`, ['tea'])
    await visitor.post(`${url()}/login-with-basket`, right)
    const visits = Array.from({ length: 6 }, () => visitor.copy().get(`${url()}/`))
    for (const visit of visits) expect((await visit).json()).toMatchObject({ user: 'ada', basket: ['tea'] })
    expect((await visitor.get(`${url()}/login`)).json()).toEqual({ success: ['welcome'] })
    await visitor.post(`${url()}/logout`, {})
    expect(await home()).toMatchObject({ user: null })
  })
})
