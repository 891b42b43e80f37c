import { afterEach, describe, expect, it } from 'vitest'
import type { AppServer } from '../support/app-server.js'
import { attributesAt, Cluster } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'

const [old, next] = ['the secret until now', 'the secret from now on']
/* As docs/operations.md has them. */
const rounds = [
  [old, next],
  [next, old],
]
const patient = { backup: { mode: 'sync', timeout: '3s' } } as const

let cluster: Cluster

afterEach(() => cluster.close())

/* Before, between and after all steps somebody begins, and everybody who has begun is known on both servers. */
async function everybodyStays(servers: AppServer[], visitors: Visitor[]): Promise<void> {
  for (const server of servers) {
    const visitor = new Visitor()
    await visitor.post(server.url, { number: visitors.length })
    visitors.push(visitor)
  }
  for (const server of servers) {
    for (const [number, visitor] of visitors.entries()) {
      expect(await attributesAt(server, visitor)).toEqual({ number })
    }
  }
}

describe.each(['sticky', 'non-sticky'] as const)('a secret that rotates, %s', (mode) => {
  it.each([
    ['a then b', [0, 1]],
    ['b then a', [1, 0]],
  ])('refuses nobody in any step of it: %s', async (_name, order) => {
    cluster = await Cluster.of('n1')
    const options = { ...patient, mode, secret: old }
    const servers = [await cluster.server('a', options), await cluster.server('b', options)]
    const visitors: Visitor[] = []
    await everybodyStays(servers, visitors)
    for (const secret of rounds) {
      for (const index of order) {
        servers[index]?.sessions.reconfigure({ secret })
        await everybodyStays(servers, visitors)
      }
    }
    expect(servers.map(({ sessions }) => sessions.stats().counters.invalidIds)).toEqual([0, 0])
  })

  it('refuses those who began under it once it has gone', async () => {
    cluster = await Cluster.of('n1')
    const [before, after] = await Promise.all(
      [[old], [next]].map((secret, i) => cluster.server(`${'ab'[i]}`, { ...patient, mode, secret })),
    )
    const visitor = new Visitor()
    await visitor.post((before as AppServer).url, { number: 1 })
    expect(await attributesAt(after as AppServer, visitor.copy())).toEqual({})
    expect(await attributesAt(before as AppServer, visitor)).toEqual({ number: 1 })
  })
})
