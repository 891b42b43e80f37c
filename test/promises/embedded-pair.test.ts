import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort, waitFor } from '../../src/testing/index.js'
import { attributesAt, quick, visitorsOf } from '../support/cluster.js'
import { type ServerProcess, startServerProcess } from '../support/server-process.js'

describe('two servers that carry an embedded node each and back each other up', () => {
  let ports: { a: number; b: number }
  let a: ServerProcess
  let b: ServerProcess

  /** Each stores its sessions at the other: its own node protects nothing as long as there is another. */
  function start(route: 'a' | 'b'): Promise<ServerProcess> {
    const nodes = `a:embedded://127.0.0.1:${ports.a} b:embedded://127.0.0.1:${ports.b}`
    const embed = `127.0.0.1:${ports[route]}`
    return startServerProcess({ ...quick, route, nodes, embed })
  }

  beforeEach(async () => {
    ports = { a: await freePort(), b: await freePort() }
    const pair = await Promise.all([start('a'), start('b')])
    a = pair[0]
    b = pair[1]
    await waitFor(async () => {
      const all = await Promise.all(pair.map((server) => server.stats()))
      return all.every(({ nodes }) => nodes.every((node) => node.state === 'up'))
    })
  })

  afterEach(() => Promise.all([a.close(), b.close()]))

  it('keep the sessions of the one that dies', async () => {
    const visitors = await visitorsOf(a, 20)
    expect(new Set(visitors.map((visitor) => visitor.node))).toEqual(new Set(['b']))
    await waitFor(async () => (await a.stats()).pendingBackups === 0)
    await a.kill()
    for (const [number, visitor] of visitors.entries()) {
      expect(await attributesAt(b, visitor)).toEqual({ number })
      expect(visitor.route).toBe('b')
    }
    expect((await b.stats()).counters.takeovers).toBe(20)
  })

  it('survive that each of them dies, one after the other', async () => {
    const visitors = await visitorsOf(a, 10)
    await waitFor(async () => (await a.stats()).pendingBackups === 0)
    await a.kill()
    for (const visitor of visitors) await visitor.post(`${b.url}/`, { seen: 'b' })
    a = await start('a')
    /* The returned node is filled in the background. */
    await waitFor(async () => {
      const { nodes, pendingBackups } = await b.stats()
      return nodes[0]?.sessions === 10 && pendingBackups === 0
    })
    await b.kill()
    for (const [number, visitor] of visitors.entries()) {
      expect(await attributesAt(a, visitor)).toEqual({ number, seen: 'b' })
    }
    expect((await a.stats()).counters.takeovers).toBe(10)
  })
})
