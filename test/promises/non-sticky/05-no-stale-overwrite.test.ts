import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../../src/testing/index.js'
import type { AppServer } from '../../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../../support/cluster.js'
import type { Detour } from '../../support/detour.js'
import { agreedContent, allUp, knownDown, nonSticky, repaired, twoServers } from '../../support/non-sticky.js'
import { storages } from '../../support/storages.js'
import { Visitor } from '../../support/visitor.js'

describe.each(storages)('without stickiness, on %s', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  describe('a server process that is paused in the middle of a request', () => {
    it('adds its own change when it wakes up, and overwrites nothing else', async () => {
      const a = await cluster.process('a', nonSticky)
      const b = await cluster.server('b', nonSticky)
      const visitor = new Visitor()
      await visitor.post(`${b.url}/`, { number: 'old', other: 'old' })
      const late = visitor.copy().post(`${a.url}/later`, { mine: 'late' })
      await waitFor(async () => (await a.stats()).activeSessions === 1)
      await a.suspend()
      await visitor.post(`${b.url}/`, { number: 'new', other: null })
      await a.resume()
      await new Visitor().post(`${a.url}/internal/go`, {})
      expect((await late).status).toBe(200)
      expect(await attributesAt(b, visitor)).toEqual({ number: 'new', mine: 'late' })
      expect(await agreedContent(cluster, visitor)).toEqual({ number: 'new', mine: 'late' })
      expect((await a.stats()).counters.conflicts).toBeGreaterThan(0)
    })

    it('whose write arrives late is refused, and adds its own change then', async () => {
      const detours = { n1: await cluster.detour('n1'), n2: await cluster.detour('n2') }
      const options = { ...nonSticky, nodes: cluster.nodes(detours), operationTimeout: '10s', probeInterval: '1m' }
      const a = await cluster.process('a', options)
      const b = await cluster.server('b', nonSticky)
      const visitor = new Visitor()
      await visitor.post(`${b.url}/`, { number: 'old' })
      await visitor.copy().get(`${a.url}/`)
      const late = visitor.copy().post(`${a.url}/later`, { mine: 'late' })
      await waitFor(async () => (await a.stats()).activeSessions === 1)
      for (const detour of Object.values(detours)) detour.hang()
      await new Visitor().post(`${a.url}/internal/go`, {})
      await waitFor(() => Object.values(detours).some((detour) => detour.held > 0))
      await a.suspend()
      await visitor.post(`${b.url}/`, { number: 'new' })
      for (const detour of Object.values(detours)) detour.heal()
      await a.resume()
      expect((await late).status).toBe(200)
      expect(await attributesAt(b, visitor)).toEqual({ number: 'new', mine: 'late' })
      expect(await agreedContent(cluster, visitor)).toEqual({ number: 'new', mine: 'late' })
    })
  })

  describe('a storage node that returns with old data', () => {
    async function sessionThatWentOn(): Promise<{ servers: AppServer[]; old: Visitor; visitor: Visitor }> {
      const servers = await twoServers(cluster)
      const visitor = new Visitor()
      await visitor.post(`${servers[0].url}/`, { number: 'old' })
      const old = visitor.copy()
      await cluster.node(old).suspend()
      await visitor.post(`${servers[0].url}/`, { number: 'kept in its socket' })
      await visitor.post(`${servers[0].url}/`, { number: 'new' })
      expect(visitor.node).not.toBe(old.node)
      await knownDown(old.node as string, ...servers)
      await cluster.node(old).resume()
      return { servers, old, visitor }
    }

    it('never wins over newer data, even for ids that still name it, and carries out late writes in vain', async () => {
      const { servers, old } = await sessionThatWentOn()
      await allUp(...servers)
      for (const server of servers) expect(await attributesAt(server, old.copy())).toEqual({ number: 'new' })
    })

    it('never wins when the server that wrote the newer data is dead, and nobody else knows of it', async () => {
      const a = await cluster.process('a', nonSticky)
      const b = await cluster.server('b', nonSticky)
      const visitor = new Visitor()
      await visitor.post(`${a.url}/`, { number: 'old' })
      const old = visitor.copy()
      await cluster.node(old).suspend()
      await visitor.post(`${a.url}/`, { number: 'new' })
      await knownDown(old.node as string, b)
      await a.kill()
      await cluster.node(old).resume()
      await allUp(b)
      expect(await attributesAt(b, old)).toEqual({ number: 'new' })
    })

    it('never wins at a server that has just been started', async () => {
      const { servers, old, visitor } = await sessionThatWentOn()
      await allUp(...servers)
      await repaired(...servers)
      const fresh = await cluster.server('fresh', nonSticky)
      for (const one of [old, visitor]) expect(await attributesAt(fresh, one.copy())).toEqual({ number: 'new' })
    })

    it('is brought up to date without a request', async () => {
      const { servers, visitor } = await sessionThatWentOn()
      await allUp(...servers)
      expect(await agreedContent(cluster, visitor)).toEqual({ number: 'new' })
    })
  })

  describe('while one server sees a node down that the other uses', () => {
    let detour: Detour
    let a: AppServer
    let b: AppServer
    let visitors: Visitor[]

    beforeEach(async () => {
      detour = await cluster.detour('n1')
      a = await cluster.server('a', { ...nonSticky, nodes: cluster.nodes({ n1: detour }) })
      b = await cluster.server('b', nonSticky)
      visitors = (await visitorsOf(b, 12)).filter((visitor) => visitor.node === 'n1')
      expect(visitors.length).toBeGreaterThan(0)
    })

    it('both write, and no change of different attributes is lost when the partition heals', async () => {
      await cutOff(a, detour)
      for (const visitor of visitors) {
        for (let round = 0; round < 3; round++) {
          expect((await visitor.copy().post(`${a.url}/`, { [`a${round}`]: round })).status).toBe(200)
          expect((await visitor.copy().post(`${b.url}/`, { [`b${round}`]: round })).status).toBe(200)
        }
      }
      detour.heal()
      await allUp(a, b)
      await repaired(a, b)
      for (const visitor of visitors) {
        const expected = { a0: 0, a1: 1, a2: 2, b0: 0, b1: 1, b2: 2 }
        for (const server of [a, b]) expect(await attributesAt(server, visitor.copy())).toMatchObject(expected)
        expect(await agreedContent(cluster, visitor)).toMatchObject(expected)
      }
    })

    it('both write at the same time, and no change of different attributes is lost', async () => {
      await cutOff(a, detour)
      const expected = new Map(visitors.map((visitor) => [visitor, {} as Record<string, unknown>]))
      for (let round = 0; round < 8; round++) {
        const requests = visitors.flatMap((visitor) =>
          [a, b].map(async (server, i) => {
            const name = `${'ab'[i]}${round}`
            Object.assign(expected.get(visitor) as object, { [name]: round })
            expect((await visitor.copy().post(`${server.url}/`, { [name]: round })).status).toBe(200)
          }),
        )
        await Promise.all(requests)
      }
      detour.heal()
      await allUp(a, b)
      await repaired(a, b)
      for (const visitor of visitors) {
        for (const server of [a, b])
          expect(await attributesAt(server, visitor.copy())).toMatchObject(expected.get(visitor) as object)
        expect(await agreedContent(cluster, visitor)).toMatchObject(expected.get(visitor) as object)
      }
    })
  })

  it('two servers that each see another node down meet at the third: nothing is lost', async () => {
    const wide = await Cluster.on(kind, 'n1', 'n2', 'n3')
    try {
      const detours = { a: await wide.detour('n1'), b: await wide.detour('n2') }
      const a = await wide.server('a', { ...nonSticky, nodes: wide.nodes({ n1: detours.a }) })
      const b = await wide.server('b', { ...nonSticky, nodes: wide.nodes({ n2: detours.b }) })
      const visitors = await visitorsOf(b, 12)
      detours.a.hang()
      detours.b.hang()
      await knownDown('n1', a)
      await knownDown('n2', b)
      for (const visitor of visitors) {
        for (let round = 0; round < 3; round++) {
          expect((await visitor.copy().post(`${a.url}/`, { [`a${round}`]: round })).status).toBe(200)
          expect((await visitor.copy().post(`${b.url}/`, { [`b${round}`]: round })).status).toBe(200)
        }
      }
      detours.a.heal()
      detours.b.heal()
      await allUp(a, b)
      await repaired(a, b)
      for (const visitor of visitors) {
        const expected = { a0: 0, a1: 1, a2: 2, b0: 0, b1: 1, b2: 2 }
        for (const server of [a, b]) expect(await attributesAt(server, visitor.copy())).toMatchObject(expected)
      }
    } finally {
      await wide.close()
    }
  })
})

async function cutOff(server: AppServer, detour: Detour): Promise<void> {
  detour.hang()
  await knownDown('n1', server)
}
