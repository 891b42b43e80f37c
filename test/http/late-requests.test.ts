import { afterEach, describe, expect, it } from 'vitest'
import { Visitor } from '../support/visitor.js'
import { type Handler, HttpFixture } from './http-server.js'

let fixture: HttpFixture

afterEach(() => fixture.close())

const handler: Handler = async (req, res) => {
  if (req.url === '/in') req.session.user = 'ann'
  if (req.url === '/login') {
    await req.session.regenerate()
    req.session.user = 'bob'
  }
  if (req.url === '/logout') await req.session.destroy()
  if (req.url === '/count') req.session.n = 1
  res.end(String(req.session?.user))
}

describe.each([
  ['sticky', {}],
  ['sticky, empty sessions kept', { saveUninitialized: true }],
  ['non-sticky', { mode: 'non-sticky' }],
] as const)('a request with an id that was just replaced, %s', (_name, options) => {
  async function visit() {
    fixture = new HttpFixture(options)
    const url = await fixture.serve(handler)
    const visitor = new Visitor()
    await visitor.get(`${url}/in`)
    return { url, visitor, late: visitor.copy() }
  }

  it.each(['/count', '/nothing'])('gets no cookie that would take the place of the new one: %s', async (path) => {
    const { url, visitor, late } = await visit()
    await visitor.get(`${url}/login`)
    const answer = await late.get(url + path)
    expect([answer.body, answer.cookie]).toEqual(['undefined', undefined])
    expect((await visitor.get(url)).body).toBe('bob')
  })

  it('gets one when it logs in itself', async () => {
    const { url, visitor, late } = await visit()
    await visitor.get(`${url}/login`)
    expect((await late.get(`${url}/login`)).cookie).toBeDefined()
    expect([(await visitor.get(url)).body, (await late.get(url)).body]).toEqual(['bob', 'bob'])
  })

  it('is another thing than one whose session was destroyed, which gets a new one', async () => {
    const { url, visitor, late } = await visit()
    await visitor.get(`${url}/logout`)
    expect((await late.get(`${url}/in`)).cookie).toBeDefined()
    expect((await late.get(url)).body).toBe('ann')
  })
})
