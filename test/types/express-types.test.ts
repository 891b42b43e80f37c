import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Project } from './project.js'

const start = `
import express from 'express'
import { createSessionManager } from 'holdfast'
import type {} from 'holdfast/express'

const sessions = createSessionManager({ secret: 'a secret for types only' })
const app = express()
app.use(sessions.middleware())
`

/** What an application does with its sessions, whoever declared \`cart\`. */
const use = `
app.get('/', async (req, res) => {
  req.session.cart?.push('tea')
  const id: string = req.sessionID + req.session.id
  const left: number | undefined = req.session.cookie.maxAge
  // @ts-expect-error: not declared
  req.session.unknown
  // @ts-expect-error: another type
  req.session.cart = 1
  req.session.save((error) => console.error(error, id, left))
  req.session.reload((error) => console.error(error)).touch().resetMaxAge()
  req.session.destroy((error) => console.error(error))
  req.session.regenerate((error) => console.error(error))
  req.session.regenerate({ keep: true }, (error) => console.error(error)).touch()
  const done: Promise<void>[] = [req.session.save(), req.session.reload(), req.session.destroy()]
  done.push(req.session.regenerate(), req.session.regenerate({ keep: true }))
  req.session.destroy({ durable: true }, (error) => console.error(error))
  await req.session.lock(() => req.session.cart)
  const lock = await req.session.lock()
  if (!lock.signal.aborted) await lock.release()
  req.session.unlock((error) => console.error(error)).touch()
  done.push(req.session.destroy({ durable: true }), req.session.unlock())
  // @ts-expect-error: no such option
  await req.session.regenerate({ kept: true })
  res.json(req.session)
})

export async function job(id: string): Promise<string[] | undefined> {
  const session = await sessions.get(id)
  // @ts-expect-error: not declared
  session?.unknown
  await session?.save()
  return session?.cart
}
`

const strictest = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, verbatimModuleSyntax: true }
const bundler = { module: 'ESNext', moduleResolution: 'bundler' }

describe('with @types/express-session', () => {
  let project: Project
  beforeAll(() => {
    project = new Project(['@types/express-session'])
  })
  afterAll(() => project.close())

  const augmented = `${start}
declare module 'express-session' {
  interface SessionData { cart: string[] }
}
${use}`

  it('req.session has what the application has declared for express-session', () => {
    expect(project.check(augmented)).toBe('')
  })

  it.each([
    ['the strictest checks', strictest],
    ['a bundler’s resolution', bundler],
  ])('it has so under %s', (_what, options) => {
    expect(project.check(augmented, options)).toBe('')
  })

  it('an application that still imports express-session sees one req.session', () => {
    const both = `import session, { type Session, type SessionData } from 'express-session'
${augmented}
export const other = session({ secret: 'x' })
app.get('/same', (req) => {
  const mine: Session & Partial<SessionData> = req.session
  mine.save()
})`
    expect(project.check(both)).toBe('')
  })

  it('an application that declares every name keeps that', () => {
    const open = `${start}
declare module 'express-session' {
  interface SessionData { [name: string]: any }
}
app.get('/', (req) => {
  req.session.anything = 1
})`
    expect(project.check(open)).toBe('')
  })

  it('req.session is typed without our entry as it was before', () => {
    const before = `
import express from 'express'
import type {} from 'express-session'
import { createSessionManager } from 'holdfast'
declare module 'express-session' {
  interface SessionData { cart: string[] }
}
const app = express()
app.use(createSessionManager({ secret: 'a secret for types only' }).middleware())
app.get('/', (req) => {
  req.session.cart?.push('tea')
  req.session.save(() => {})
})`
    expect(project.check(before)).toBe('')
  })
})

describe('without @types/express-session', () => {
  let project: Project
  beforeAll(() => {
    project = new Project()
  })
  afterAll(() => project.close())

  const augmented = `${start}
declare module 'holdfast' {
  interface SessionData { cart: string[] }
}
${use}`

  it('req.session has what the application has declared for us', () => {
    expect(project.check(augmented)).toBe('')
  })

  it.each([
    ['the strictest checks', strictest],
    ['a bundler’s resolution', bundler],
  ])('it has so under %s', (_what, options) => {
    expect(project.check(augmented, options)).toBe('')
  })

  it('nothing else is declared for an application that has no need of it', () => {
    const plain = `
import { createServer } from 'node:http'
import { createSessionManager } from 'holdfast'
const sessions = createSessionManager({ secret: 'a secret for types only' })
const handle = sessions.middleware()
createServer((req, res) => handle(req, res, () => res.end('ok')))`
    expect(project.check(plain)).toBe('')
  })

  it('sessionOf gives the session of any request, with attributes of a type', () => {
    const generic = `
import { createServer } from 'node:http'
import connect from 'connect'
import { createSessionManager, type SessionWith } from 'holdfast'
import { sessionOf } from 'holdfast/express'

interface Shop { cart: string[] }
const sessions = createSessionManager({ secret: 'a secret for types only' })
const handle = sessions.middleware()
createServer((req, res) => {
  handle(req, res, async () => {
    const session: SessionWith<Shop> = sessionOf<Shop>(req)
    session.cart = ['tea']
    // @ts-expect-error: not declared
    session.unknown
    await session.regenerate({ keep: true })
    res.end(session.cart?.join() ?? session.id)
  })
})
const app = connect()
app.use(sessions.middleware())
app.use((req, res) => res.end(sessionOf<Shop>(req).cart?.join()))`
    expect(project.check(generic)).toBe('')
  })

  it('a type can go through the functions of an application as SessionWith', () => {
    const typed = `
import type { Session, SessionWith } from 'holdfast'
interface Shop { cart: string[] }
export function add(session: SessionWith<Shop>, item: string): Session {
  session.cart = [...(session.cart ?? []), item]
  return session
}`
    expect(project.check(typed)).toBe('')
  })
})
