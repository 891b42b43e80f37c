import { describe, expect, it } from 'vitest'
import { createMemoryNode } from '../../src/node/memory-node.js'
import { storageNodeConformance } from '../../src/testing/conformance/storage-node.js'
import { createManualClock } from '../../src/testing/manual-clock.js'

storageNodeConformance(
  'memory',
  {
    async open() {
      const clock = createManualClock()
      return { node: createMemoryNode({ id: 'n1', clock }), advance: clock.advance, close: async () => {} }
    },
  },
  { describe, it },
)

describe('the memory node', () => {
  const later = (): number => Date.now() + 600_000

  it('evicts what was used longest ago when the memory limit is reached', async () => {
    const node = createMemoryNode({ id: undefined, memoryLimit: 10_000 })
    for (const key of ['a', 'b', 'c']) await node.put(key, Buffer.alloc(3000), later(), 'any')
    await node.get('a')
    await node.put('d', Buffer.alloc(3000), later(), 'any')
    expect(await node.get('b')).toBeUndefined()
    for (const key of ['a', 'c', 'd']) expect(await node.get(key)).toBeDefined()
  })

  it('counts a replaced or removed value no longer', async () => {
    const node = createMemoryNode({ id: undefined, memoryLimit: 10_000 })
    await node.put('kept', Buffer.alloc(100), later(), 'any')
    for (let round = 0; round < 100; round += 1) {
      await node.put('replaced', Buffer.alloc(2000), later(), 'any')
      await node.put('removed', Buffer.alloc(2000), later(), 'any')
      await node.delete('removed')
    }
    expect(await node.get('kept')).toBeDefined()
  })

  it('makes room with expired values before it evicts live ones', async () => {
    const clock = createManualClock()
    const node = createMemoryNode({ id: undefined, memoryLimit: 10_000, clock })
    for (let index = 0; index < 3; index += 1)
      await node.put(`old-${index}`, Buffer.alloc(2500), clock.now() + 10, 'any')
    clock.advance(20)
    for (let index = 0; index < 3; index += 1)
      await node.put(`new-${index}`, Buffer.alloc(2500), clock.now() + 10, 'any')
    for (let index = 0; index < 3; index += 1) expect(await node.get(`new-${index}`)).toBeDefined()
  })

  it('shares nothing with another node of the same process', async () => {
    const [one, other] = [createMemoryNode({ id: 'n1' }), createMemoryNode({ id: 'n2' })]
    await one.put('key', Buffer.from('value'), later(), 'any')
    expect(await other.get('key')).toBeUndefined()
  })
})
