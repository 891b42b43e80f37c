import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { NodeUnreachableError } from '../../src/errors.js'
import { ClusterNotes } from '../../src/manager/context/cluster-notes.js'
import { NodeUse } from '../../src/manager/context/node-use.js'
import { createMemoryNode } from '../../src/node/memory-node.js'
import type { StorageNode } from '../../src/node/storage-node.js'
import { Placement } from '../../src/placement/placement.js'
import { WatchedNode } from '../../src/placement/watched-node.js'
import { systemRandom } from '../../src/random.js'
import { ignoreNode } from '../support/ignore-node.js'

/** What one server knows, over ways to storage nodes that can be cut. */
class Server {
  readonly notes: ClusterNotes
  readonly nodes: WatchedNode[]
  private readonly cut = new Set<string | undefined>()

  constructor(storages: readonly StorageNode[]) {
    this.nodes = storages.map((storage) => this.wayTo(storage))
    let names = 0
    const name = () => `${process.pid}${Math.random()}${names++}`
    this.notes = new ClusterNotes(systemClock, new Placement(this.nodes, []), () => 'test:', name)
  }

  node(id: string): WatchedNode {
    return this.nodes.find((node) => node.id === id) as WatchedNode
  }

  cutFrom(id: string): void {
    this.cut.add(id)
  }

  heal(): void {
    this.cut.clear()
  }

  private wayTo(storage: StorageNode): WatchedNode {
    const way = new Proxy(storage, {
      get: (target, property) => {
        const member = Reflect.get(target, property)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) =>
          this.cut.has(target.id)
            ? Promise.reject(new NodeUnreachableError('cut'))
            : Reflect.apply(member, target, args)
      },
    })
    const options = {
      clock: systemClock,
      random: systemRandom,
      probeInterval: () => 60_000,
      operationTimeout: () => 1000,
    }
    return new WatchedNode(way, options, ignoreNode)
  }
}

function serversOn(...ids: string[]): [Server, Server] {
  const storages = ids.map((id) => createMemoryNode({ id }))
  return [new Server(storages), new Server(storages)]
}

describe('the notes of a cluster', () => {
  it('tell all servers that a node was away', async () => {
    const [a, b] = serversOn('n1', 'n2')
    await a.notes.exchange()
    const { era } = a.notes
    a.notes.raise(a.node('n1'))
    await a.notes.settled()
    await b.notes.exchange()
    expect(b.notes.isDoubtful(era, b.node('n1'))).toBe(true)
    expect(b.notes.isDoubtful(era, b.node('n2'))).toBe(false)
    expect(b.notes.isDoubtful(b.notes.era, b.node('n1'))).toBe(false)
  })

  it('leave a doubt about what two servers have compared that each lacked another node', async () => {
    const [a, b] = serversOn('n1', 'n2')
    for (const server of [a, b]) await server.notes.exchange()
    a.cutFrom('n2')
    b.cutFrom('n1')
    a.notes.raise(a.node('n2'))
    b.notes.raise(b.node('n1'))
    for (const server of [a, b]) await server.notes.settled()
    const [ofA, ofB] = [a.notes.era, b.notes.era]
    for (const server of [a, b]) server.heal()
    for (const server of [a, b, a]) {
      for (const node of server.nodes) await node.check()
      await server.notes.exchange()
    }
    for (const { notes, node } of [a, b].map((server) => ({ notes: server.notes, node: server.node.bind(server) }))) {
      expect(notes.isDoubtful(ofA, node('n1'))).toBe(true)
      expect(notes.isDoubtful(ofB, node('n2'))).toBe(true)
      expect(notes.era).toBe(a.notes.era)
    }
    const { era } = a.notes
    for (const server of [b, a, b]) await server.notes.exchange()
    expect([a.notes.era, b.notes.era]).toEqual([era, era])
  })
})

describe('the use of nodes', () => {
  const start = Date.UTC(2026, 0, 1)
  const minute = 60_000
  let time = start
  const clock = { ...systemClock, now: () => time, monotonic: () => time }

  it('is known as long as anybody tells, though his clock is behind', () => {
    const use = new NodeUse(clock)
    const other = new NodeUse({ ...clock, now: () => time - 30 * minute })
    for (let i = 0; i < 10; i++) {
      other.tell('n1', 'x')
      use.join(other.entries())
      expect(use.isUsed('n1', 'x')).toBe(true)
      expect(use.birthsOf('n1')).toEqual(['x'])
      time += 20_000
    }
    time += 30_000
    expect(use.isUsed('n1', 'x')).toBe(false)
  })

  it('ends when the node has lost what it had', () => {
    const use = new NodeUse(clock)
    use.tell('n1', 'x')
    use.tell('n1', 'y')
    use.gone('n1', 'x')
    expect(use.birthsOf('n1')).toEqual(['y'])
    expect(use.birthsOf('n')).toEqual([])
    /* A server that starts now has not seen it go. */
    const later = new NodeUse(clock)
    later.join([['n1 x', clock.now()]])
    expect(later.isUsed('n1', 'x')).toBe(true)
    later.join(use.entries())
    expect(later.isUsed('n1', 'x')).toBe(false)
    later.join([['n1 x', clock.now() + 1]])
    expect([later.isUsed('n1', 'x'), later.birthsOf('n1')]).toEqual([false, ['y']])
  })

  it('is forgotten after an hour, and of one name with many births the oldest first', () => {
    const use = new NodeUse(clock)
    for (let i = 0; i < 30; i++) {
      use.tell('n1', `birth${i}`)
      time += 1000
    }
    use.join([])
    expect(use.entries().size).toBe(8)
    expect(use.isUsed('n1', 'birth29')).toBe(true)
    time += 61 * minute
    use.join([])
    expect(use.entries().size).toBe(0)
  })
})
