import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseSessionId } from '../../src/session-id/session-id.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, secret, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'

const another = 'another secret of thirty-two letters'

describe.each(['sticky', 'non-sticky'] as const)('an id, %s,', (mode) => {
  let cluster: Cluster
  let server: AppServer
  let visitor: Visitor
  let paid: number

  beforeEach(async () => {
    paid = 0
    cluster = await Cluster.of('n1', 'n2')
    const options = { mode, locking: { mode: 'all', timeout: '30s' } } as const
    server = await cluster.server('a', options, (app) => {
      /* A check and a step that go together only under a lock. */
      app.post('/redeem', async (req, res) => {
        const isGood = sessionOf(req).number !== undefined && sessionOf(req).redeemed !== true
        await new Promise((go) => setTimeout(go, 50))
        if (isGood) {
          sessionOf(req).redeemed = true
          paid++
        }
        res.end()
      })
    })
    visitor = (await visitorsOf(server, 1))[0] as Visitor
    await server.sessions.flush()
  })

  afterEach(() => cluster.close())

  function visitorWith(id: string): Visitor {
    const visitor = new Visitor()
    visitor.id = id
    return visitor
  }

  it.each([
    ['a route with a letter that is none of a name', '-n1.a!'],
    ['a node with one', '-n!1.a'],
    ['two dots', '-n1.a.b'],
    ['an empty node', '-.a'],
    ['an empty route', '-n1.'],
    ['more than an id may have', `-${'n'.repeat(300)}.a`],
  ])('with %s finds no session, and so dodges no lock', async (_, end) => {
    const { token } = parseSessionId(visitor.id as string) ?? {}
    const text = token + end
    expect(await attributesAt(server, visitorWith(text))).toEqual({})
    expect(server.sessions.stats().counters.invalidIds).toBeGreaterThan(0)
    const ids = [text, visitor.id as string, text, visitor.id as string]
    await Promise.all(ids.map((id) => visitorWith(id).post(`${server.url}/redeem`, {})))
    expect(paid).toBe(1)
    expect(await attributesAt(server, visitor)).toMatchObject({ redeemed: true })
  })

  it('leads nowhere once the secret that signed it was taken out, whether its session is in memory or not', async () => {
    server.sessions.reconfigure({ secret: [another, secret] })
    const young = (await visitorsOf(server, 1))[0] as Visitor
    expect(await attributesAt(server, visitor)).toHaveProperty('number')
    server.sessions.reconfigure({ secret: another })
    await waitFor(async () => (await attributesAt(server, visitor.copy())).number === undefined)
    expect(await attributesAt(server, young)).toHaveProperty('number')
    const b = await cluster.server('b', { mode, secret: another })
    expect(await attributesAt(b, visitor.copy())).toEqual({})
    expect(await attributesAt(b, young)).toHaveProperty('number')
  })
})
