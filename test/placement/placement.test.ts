import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { Placement } from '../../src/placement/placement.js'
import { WatchedNode } from '../../src/placement/watched-node.js'
import { systemRandom } from '../../src/random.js'
import { SessionTokens } from '../../src/session-id/session-id.js'
import { ignoreNode } from '../support/ignore-node.js'
import { ScriptedNode } from './scripted-node.js'

const issuer = new SessionTokens(['secret'])
const tokens = Array.from({ length: 200 }, () => issuer.issue())

class Cluster {
  readonly placement: Placement
  readonly servers = new Map<string | undefined, ScriptedNode>()
  readonly nodes: WatchedNode[]

  constructor(ids: (string | undefined)[], failover: string[] = []) {
    this.nodes = ids.map((id) => this.open(id))
    this.placement = new Placement(this.nodes, failover)
  }

  open(id: string | undefined): WatchedNode {
    const server = new ScriptedNode(id)
    this.servers.set(id, server)
    return new WatchedNode(
      server,
      { clock: systemClock, random: systemRandom, probeInterval: () => 60_000, operationTimeout: () => 1000 },
      ignoreNode,
    )
  }

  node(id: string | undefined): WatchedNode {
    return this.nodes.find((node) => node.id === id) as WatchedNode
  }

  async stop(...ids: string[]): Promise<void> {
    for (const id of ids) {
      this.servers.get(id)?.breakDown()
      await this.node(id).check()
      expect(this.node(id).state).toBe('down')
    }
  }

  async restart(id: string): Promise<void> {
    this.servers.get(id)?.repair()
    await this.node(id).check()
  }

  chosen(): Set<string | undefined> {
    return new Set(tokens.map((token) => this.placement.choose(token)?.id))
  }
}

let cluster: Cluster

function start(ids: (string | undefined)[], failover: string[] = []): Cluster {
  cluster = new Cluster(ids, failover)
  return cluster
}

afterEach(async () => {
  await Promise.all(cluster.nodes.map((node) => node.close()))
})

describe('the node of a session', () => {
  it('is one of the regular nodes, always the same, and all of them get their share', () => {
    const { placement } = start(['n1', 'n2', 'n3'])
    for (const token of tokens) expect(placement.choose(token)).toBe(placement.choose(token))
    expect(cluster.chosen()).toEqual(new Set(['n1', 'n2', 'n3']))
  })

  it('stays when another node dies, and moves when its own does', async () => {
    const { placement } = start(['n1', 'n2', 'n3'])
    const before = new Map(tokens.map((token) => [token, placement.choose(token)]))
    await cluster.stop('n2')
    for (const token of tokens) {
      const node = before.get(token)
      if (node?.id === 'n2') expect(placement.choose(token)?.id).toMatch(/^n[13]$/)
      else expect(placement.choose(token)).toBe(node)
    }
    await cluster.restart('n2')
    for (const token of tokens) expect(placement.choose(token)).toBe(before.get(token))
  })

  it('is a failover node only when no regular one is up (M39)', async () => {
    start(['n1', 'n2', 'n3'], ['n3'])
    expect(cluster.chosen()).toEqual(new Set(['n1', 'n2']))
    await cluster.stop('n1')
    expect(cluster.chosen()).toEqual(new Set(['n2']))
    await cluster.stop('n2')
    expect(cluster.chosen()).toEqual(new Set(['n3']))
    await cluster.restart('n1')
    expect(cluster.chosen()).toEqual(new Set(['n1']))
  })

  it('is none when none is up (M37, M38)', async () => {
    const { placement } = start(['n1', 'n2'], ['n2'])
    await cluster.stop('n1', 'n2')
    expect([cluster.chosen(), placement.anyUp]).toEqual([new Set([undefined]), false])
    await cluster.restart('n2')
    expect([cluster.chosen(), placement.anyUp]).toEqual([new Set(['n2']), true])
  })

  it('is not one that is drained', () => {
    const { nodes } = start(['n1', 'n2'])
    ;(nodes[0] as WatchedNode).draining = true
    expect(cluster.chosen()).toEqual(new Set(['n2']))
    ;(nodes[1] as WatchedNode).draining = true
    expect([cluster.chosen(), cluster.placement.anyUp]).toEqual([new Set([undefined]), false])
  })

  it('can be the one anonymous node', () => {
    const { placement, nodes } = start([undefined])
    expect([placement.choose('token'), placement.byName(undefined)]).toEqual([nodes[0], nodes[0]])
  })

  it('is one of the new nodes as soon as they replace the old (M40, M41)', () => {
    const { placement } = start(['n1', 'n2', 'n3'], ['n2', 'n3'])
    expect(cluster.chosen()).toEqual(new Set(['n1']))
    placement.use(cluster.nodes, ['n1', 'n2'])
    expect(cluster.chosen()).toEqual(new Set(['n3']))
    placement.use([cluster.node('n2')], [])
    expect(cluster.chosen()).toEqual(new Set(['n2']))
    expect([placement.byName('n1'), placement.nodes]).toEqual([undefined, [cluster.node('n2')]])
  })
})

describe('a node that an id names', () => {
  it('is believed only when it is configured, and asking for others costs nothing (W35)', () => {
    const { placement } = start(['n1', 'n2'])
    expect(placement.byName('n1')).toBe(cluster.node('n1'))
    for (let i = 0; i < 10_000; i++) expect(placement.byName(`bogus${i}`)).toBeUndefined()
    for (const name of ['__proto__', 'constructor', 'toString', '', undefined])
      expect(placement.byName(name)).toBeUndefined()
    expect(placement.nodes).toHaveLength(2)
  })
})

describe('a session', () => {
  it('leaves a node that is down or drained, and no other', async () => {
    const { placement } = start(['n1', 'n2', 'n3'])
    await cluster.stop('n1')
    cluster.node('n2').draining = true
    const leaves = ['n1', 'n2', 'n3'].map((id) => placement.shouldLeave(cluster.node(id)))
    expect(leaves).toEqual([true, true, false])
  })

  it('leaves a failover node as soon as a regular one is up', async () => {
    const { placement } = start(['n1', 'n2'], ['n2'])
    expect(placement.shouldLeave(cluster.node('n2'))).toBe(true)
    await cluster.stop('n1')
    expect(placement.shouldLeave(cluster.node('n2'))).toBe(false)
    await cluster.restart('n1')
    expect(placement.shouldLeave(cluster.node('n2'))).toBe(true)
    expect(placement.shouldLeave(cluster.node('n1'))).toBe(false)
  })
})

describe('the nodes of the further copies', () => {
  const idsOf = (nodes: WatchedNode[]) => nodes.map(({ id }) => id)

  it('are others than the primary one, as many as asked for or as there are, each once and always the same', () => {
    const { placement } = start(['n1', 'n2', 'n3', 'n4'])
    for (const token of tokens) {
      const primary = placement.choose(token)
      for (const count of [1, 2, 3, 9]) {
        const others = idsOf(placement.others(token, primary, count))
        expect(others).toHaveLength(Math.min(count, 3))
        expect(new Set([...others, primary?.id]).size).toBe(others.length + 1)
        expect(idsOf(placement.others(token, primary, count))).toEqual(others)
      }
    }
  })

  it('are none when there is one node, or none are wanted', () => {
    const { placement } = start(['n1'])
    expect(placement.others('token', cluster.node('n1'), 2)).toEqual([])
    cluster = start(['n1', 'n2'])
    for (const count of [0, -1]) expect(cluster.placement.others('token', cluster.node('n1'), count)).toEqual([])
  })

  it('begin with the one that the session moves to when its primary node dies', async () => {
    const { placement } = start(['n1', 'n2', 'n3'])
    const next = new Map(tokens.map((token) => [token, placement.others(token, placement.choose(token), 1)[0]]))
    const moved = tokens.filter((token) => placement.choose(token)?.id === 'n1')
    await cluster.stop('n1')
    for (const token of moved) expect(placement.choose(token)).toBe(next.get(token))
  })

  it('are spread over the nodes', () => {
    const { placement } = start(['n1', 'n2', 'n3'])
    const used = new Set(tokens.flatMap((token) => idsOf(placement.others(token, cluster.node('n1'), 1))))
    expect(used).toEqual(new Set(['n2', 'n3']))
  })

  it('are neither down nor drained', async () => {
    const { placement } = start(['n1', 'n2', 'n3', 'n4'])
    await cluster.stop('n2')
    cluster.node('n3').draining = true
    expect(idsOf(placement.others('token', cluster.node('n1'), 3))).toEqual(['n4'])
  })

  it('are failover nodes only where there is no other regular one (W18)', async () => {
    const { placement } = start(['n1', 'n2', 'n3', 'n4'], ['n3', 'n4'])
    for (const token of tokens) expect(idsOf(placement.others(token, cluster.node('n1'), 1))).toEqual(['n2'])
    expect(idsOf(placement.others('token', cluster.node('n1'), 3))[0]).toBe('n2')
    await cluster.stop('n2')
    const used = new Set(tokens.flatMap((token) => idsOf(placement.others(token, cluster.node('n1'), 1))))
    expect(used).toEqual(new Set(['n3', 'n4']))
  })
})

describe('the nodes that can be read', () => {
  it('are each there once, the chosen one first, failover nodes last (W4: a list that ends)', async () => {
    const { placement } = start(['n1', 'n2', 'n3', 'n4'], ['n4'])
    for (const token of tokens) {
      const readable = placement.readable(token)
      expect(readable[0]).toBe(placement.choose(token))
      expect(readable.at(-1)?.id).toBe('n4')
      expect(readable.map(({ id }) => id).sort()).toEqual(['n1', 'n2', 'n3', 'n4'])
    }
  })

  it('are without those that are down, and with those that are drained', async () => {
    const { placement } = start(['n1', 'n2', 'n3'])
    await cluster.stop('n1')
    cluster.node('n2').draining = true
    const ids = placement.readable('token').map(({ id }) => id)
    expect(ids.sort()).toEqual(['n2', 'n3'])
    await cluster.stop('n2', 'n3')
    expect(placement.readable('token')).toEqual([])
  })
})
