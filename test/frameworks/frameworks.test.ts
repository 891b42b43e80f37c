import { describe, expect, it } from 'vitest'
import { startMemcached } from '../../src/testing/index.js'
import { Visitor } from '../support/visitor.js'
import { connectApp, plainApp } from './applications.js'
import { closeLast, listen, manager } from './running.js'

describe.each([
  ['connect', connectApp],
  ['node:http', plainApp],
])('an application made with %s', (_framework, application) => {
  it('keeps a visitor’s session, and ends it', async () => {
    const sessions = manager({ route: 'app1' })
    const url = await listen(application(sessions))
    const visitor = new Visitor()
    const first = await visitor.get(url)
    expect([first.json(), first.cookie]).toEqual([[], undefined])
    expect((await visitor.get(`${url}/add`)).cookie).toMatch(/\.app1$/)
    await visitor.get(`${url}/add`)
    expect((await visitor.get(url)).json()).toEqual(['tea', 'tea'])
    expect((await visitor.get(`${url}/logout`)).body).toBe('bye')
    expect((await visitor.get(url)).json()).toEqual([])
  })

  it('takes a session over from another server', async () => {
    const memcached = await startMemcached()
    closeLast(() => memcached.close())
    const nodes = `n1:${memcached.host}:${memcached.port}`
    const [one, two] = [manager({ route: 'app1', nodes }), manager({ route: 'app2', nodes })]
    await Promise.all([one.ready(), two.ready()])
    const [first, second] = [await listen(application(one)), await listen(application(two))]
    const visitor = new Visitor()
    await visitor.get(`${first}/add`)
    await one.flush()
    expect((await visitor.get(`${second}/`)).json()).toEqual(['tea'])
    expect(visitor.route).toBe('app2')
  })

  it('answers several cookies and a query as ever', async () => {
    const url = await listen(application(manager({ route: 'app1' })))
    const visitor = new Visitor()
    await visitor.get(`${url}/add?item=tea`)
    const headers = { cookie: `a=1; sid=${visitor.id}; b=2` }
    expect((await new Visitor().get(`${url}/?page=1`, headers)).json()).toEqual(['tea'])
  })
})
