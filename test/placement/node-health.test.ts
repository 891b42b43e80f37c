import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { NodeRefusedError } from '../../src/errors.js'
import { NodeHealth } from '../../src/placement/node-health.js'
import { systemRandom } from '../../src/random.js'
import { waitFor } from '../../src/testing/wait-for.js'

/** A node whose probes answer as told; notes what the breaker says. */
class Subject {
  works = true
  /** Probes answer that no writes are taken. */
  readOnly = false
  probes = 0
  readonly events: string[] = []
  readonly health: NodeHealth
  private readonly held: (() => void)[] = []
  private holding = false

  constructor(interval = 5) {
    this.health = new NodeHealth({
      clock: systemClock,
      random: systemRandom,
      probe: () => this.probe(),
      interval: () => interval,
      onDown: () => this.events.push('down'),
      onReadOnly: ({ message }) => this.events.push(`read-only: ${message}`),
      onUp: () => this.events.push('up'),
    })
  }

  /** Probes hang from now on, until `release`. */
  hold(): void {
    this.holding = true
  }

  release(): void {
    this.holding = false
    for (const go of this.held.splice(0)) go()
  }

  private async probe(): Promise<void> {
    this.probes++
    if (this.holding) await new Promise<void>((resolve) => this.held.push(resolve))
    if (!this.works) throw new Error('no answer')
    if (this.readOnly) throw takesNoWrites
  }
}

const takesNoWrites = new NodeRefusedError('the disk is full', { refuses: 'writes' })

const opened: Subject[] = []

function subject(interval?: number): Subject {
  const made = new Subject(interval)
  opened.push(made)
  return made
}

afterEach(() => {
  for (const { health } of opened.splice(0)) health.close()
})

const aMinute = 60_000

describe('the health of a node', () => {
  it('is not lost by one failed operation: that only makes it suspect, and is probed at once (W24, W25)', async () => {
    const { health, events, ...rest } = subject(aMinute)
    health.failed(new Error('no answer'))
    expect(health.state).toBe('suspect')
    await health.check()
    expect([health.state, health.downFor(), events]).toEqual(['up', 0, []])
    expect(rest.works).toBe(true)
  })

  it('is lost by a failed operation and a failed probe', async () => {
    const node = subject(aMinute)
    node.works = false
    node.health.failed(new Error('no answer'))
    await node.health.check()
    expect([node.health.state, node.events, node.probes]).toEqual(['down', ['down'], 1])
    expect(node.health.downFor()).toBeGreaterThanOrEqual(0)
  })

  it('is lost by two failed probes in a row when nobody uses the node', async () => {
    const node = subject(aMinute)
    node.works = false
    await node.health.check()
    expect([node.health.state, node.events, node.probes]).toEqual(['down', ['down'], 2])
  })

  it('counts failures at the same time once, and asks one probe for them', async () => {
    const node = subject(aMinute)
    node.hold()
    for (let i = 0; i < 100; i++) node.health.failed(new Error('no answer'))
    expect([node.health.state, node.probes]).toEqual(['suspect', 1])
    node.release()
    await node.health.check()
    expect([node.health.state, node.events]).toEqual(['up', []])
    node.works = false
    for (let i = 0; i < 100; i++) node.health.failed(new Error('no answer'))
    await node.health.check()
    expect(node.events).toEqual(['down'])
  })

  it('is lost by five failed operations in a row although each probe between them succeeds', async () => {
    const node = subject(aMinute)
    for (let i = 1; i <= 4; i++) {
      node.health.failed(new Error('no answer'))
      await node.health.check()
      expect(node.health.state, `after ${i}`).toBe('up')
    }
    node.health.failed(new Error('no answer'))
    expect([node.health.state, node.events]).toEqual(['down', ['down']])
  })

  it('is kept by a success among the failures', async () => {
    const node = subject(aMinute)
    for (let i = 0; i < 20; i++) {
      node.health.failed(new Error('no answer'))
      await node.health.check()
      if (i % 4 === 3) node.health.succeeded()
    }
    expect([node.health.state, node.events]).toEqual(['up', []])
  })

  it('is back at once when an operation succeeds while the node is suspect', async () => {
    const node = subject(aMinute)
    node.hold()
    node.health.failed(new Error('no answer'))
    node.health.succeeded()
    expect(node.health.state).toBe('up')
    node.works = false
    node.release()
    await waitFor(() => node.probes >= 2)
    await node.health.check()
    expect(node.probes).toBeGreaterThanOrEqual(2)
  })

  it('does not come back by an operation that was still under way, only by a probe', async () => {
    const node = subject()
    node.works = false
    await node.health.check()
    node.health.succeeded()
    expect(node.health.state).toBe('down')
    node.works = true
    node.health.start()
    await waitFor(() => node.health.state === 'up')
    expect(node.events).toEqual(['down', 'up'])
    expect(node.health.downFor()).toBe(0)
  })

  it('tells once that a node is down, however long it stays so', async () => {
    const node = subject()
    node.works = false
    node.health.start()
    await waitFor(() => node.probes > 8)
    node.health.failed(new Error('no answer'))
    expect(node.events).toEqual(['down'])
    node.works = true
    await waitFor(() => node.events.length === 2)
    expect(node.events).toEqual(['down', 'up'])
  })

  it('grows old while the node is down', async () => {
    const node = subject(aMinute)
    node.works = false
    await node.health.check()
    await waitFor(() => node.health.downFor() > 5)
  })

  it('is found out without any request, also of a node that nobody uses', async () => {
    const node = subject()
    node.health.start()
    await waitFor(() => node.probes > 2)
    node.works = false
    await waitFor(() => node.health.state === 'down')
  })

  it('can go down and up again and again', async () => {
    const node = subject()
    node.health.start()
    for (let round = 0; round < 3; round++) {
      node.works = false
      await waitFor(() => node.health.state === 'down')
      node.works = true
      await waitFor(() => node.health.state === 'up')
    }
    expect(node.events).toEqual(['down', 'up', 'down', 'up', 'down', 'up'])
  })
})

describe('the probes of a node', () => {
  it('share one round trip among all who ask at the same time', async () => {
    const node = subject(aMinute)
    await Promise.all(Array.from({ length: 50 }, () => node.health.check()))
    expect(node.probes).toBe(1)
    await node.health.check()
    expect(node.probes).toBe(2)
  })

  it('never reject', async () => {
    const node = subject(aMinute)
    node.works = false
    await expect(node.health.check()).resolves.toBeUndefined()
  })

  describe('by the clock', () => {
    afterEach(() => {
      vi.useRealTimers()
    })

    it('are left out while traffic succeeds, and come back when it ends', async () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const node = subject(1000)
      node.health.start()
      const first = node.probes
      for (let i = 0; i < 20; i++) {
        node.health.succeeded()
        await vi.advanceTimersByTimeAsync(500)
      }
      expect(node.probes).toBe(first)
      await vi.advanceTimersByTimeAsync(5000)
      expect(node.probes).toBeGreaterThan(first + 2)
    })

    it('end with close, and no timer is left', async () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const node = subject(1000)
      node.health.start()
      await vi.advanceTimersByTimeAsync(3000)
      node.health.close()
      expect(vi.getTimerCount()).toBe(0)
      const { probes } = node
      await vi.advanceTimersByTimeAsync(10_000)
      node.health.failed(new Error('no answer'))
      await node.health.check()
      expect([node.probes, node.events, node.health.state]).toEqual([probes, [], 'up'])
    })
  })

  it('that end after close say nothing any more', async () => {
    const node = subject(aMinute)
    node.hold()
    node.works = false
    const checked = node.health.check()
    node.health.close()
    node.release()
    await checked
    expect(node.events).toEqual([])
    const returned = subject(aMinute)
    returned.works = false
    await returned.health.check()
    returned.works = true
    returned.hold()
    const late = returned.health.check()
    returned.health.close()
    returned.release()
    await late
    expect(returned.events).toEqual(['down'])
  })
})

describe('a node that answers reads and refuses writes', () => {
  it('is read-only at the first refusal, and says so once', async () => {
    const node = subject(aMinute)
    node.readOnly = true
    for (let i = 0; i < 3; i++) node.health.refusedWrites(takesNoWrites)
    await node.health.check()
    expect([node.health.state, node.events]).toEqual(['read-only', ['read-only: the disk is full']])
  })

  it('is read-only when a probe says so, also after it was down', async () => {
    const node = subject(aMinute)
    node.works = false
    await node.health.check()
    node.works = true
    node.readOnly = true
    await node.health.check()
    expect([node.health.state, node.events]).toEqual(['read-only', ['down', 'read-only: the disk is full']])
  })

  it('is up when a probe succeeds, and not by reads that are answered', async () => {
    const node = subject(aMinute)
    node.readOnly = true
    await node.health.check()
    node.health.succeeded()
    expect(node.health.state).toBe('read-only')
    node.readOnly = false
    await node.health.check()
    expect([node.health.state, node.events]).toEqual(['up', ['read-only: the disk is full', 'up']])
  })

  it('stays read-only at one failure, and is down when the probe fails twice', async () => {
    const node = subject(aMinute)
    node.readOnly = true
    await node.health.check()
    node.health.failed(new Error('slow'))
    await node.health.check()
    expect(node.health.state).toBe('read-only')
    node.works = false
    await node.health.check()
    expect([node.health.state, node.events.at(-1)]).toEqual(['down', 'down'])
  })
})
