import { describe, expect, it } from 'vitest'
import { ClosedError, NodeRefusedError, NodeUnreachableError } from '../../../src/errors.js'
import { Transfers } from '../../../src/node/parts/transfers.js'

interface Begun {
  name: string
  end(): void
  fail(error: Error): void
}

function start(limits = { underWay: 10, waiting: 20 }) {
  const transfers = new Transfers('n1', limits)
  const begun: Begun[] = []
  const run = (name: string, bytes: number) => {
    const done = transfers.run(
      bytes,
      () =>
        new Promise<string>((resolve, reject) => {
          begun.push({ name, end: () => resolve(name), fail: reject })
        }),
    )
    done.catch(() => {})
    return done
  }
  return { transfers, run, begun, names: () => begun.map(({ name }) => name) }
}

describe('large transfers', () => {
  it('are under way up to so many bytes, and the next ones begin in their order when there is room', async () => {
    const { run, begun, names } = start()
    const results = [run('a', 6), run('b', 4), run('c', 9), run('d', 1)]
    expect(names()).toEqual(['a', 'b'])
    begun[0]?.end()
    expect(await results[0]).toBe('a')
    expect(names()).toEqual(['a', 'b'])
    begun[1]?.end()
    await results[1]
    await Promise.resolve()
    expect(names()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('that are larger than that go alone', async () => {
    const { run, begun, names } = start({ underWay: 10, waiting: 1000 })
    const first = run('a', 500)
    run('b', 1)
    expect(names()).toEqual(['a'])
    begun[0]?.end()
    await first
    await Promise.resolve()
    expect(names()).toEqual(['a', 'b'])
  })

  it('are refused when too much waits, which says nothing against the node', async () => {
    const { run } = start()
    run('a', 10)
    run('b', 20)
    await expect(run('c', 1)).rejects.toThrow(NodeRefusedError)
  })

  it('do not wait for a node that has stopped to answer', async () => {
    const { run, begun, names } = start()
    const results = [run('a', 10), run('b', 10), run('c', 10)]
    begun[0]?.fail(new NodeUnreachableError('gave no answer'))
    for (const result of results) await expect(result).rejects.toThrow('gave no answer')
    expect(names()).toEqual(['a'])
    void run('d', 10)
    expect(names()).toEqual(['a', 'd'])
  })

  it('go on after one that was refused', async () => {
    const { run, begun, names } = start()
    const results = [run('a', 10), run('b', 10)]
    begun[0]?.fail(new NodeRefusedError('out of memory'))
    await expect(results[0]).rejects.toThrow('out of memory')
    await Promise.resolve()
    expect(names()).toEqual(['a', 'b'])
  })

  it('are refused after the end, those that wait too', async () => {
    const { run, transfers } = start()
    run('a', 10)
    const waiting = run('b', 10)
    transfers.close()
    await expect(waiting).rejects.toThrow(ClosedError)
    await expect(run('c', 1)).rejects.toThrow(ClosedError)
  })
})
