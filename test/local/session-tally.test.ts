import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { LocalSessions } from '../../src/local/local-sessions.js'
import { SessionState } from '../../src/local/session-state.js'
import type { WatchedNode } from '../../src/placement/watched-node.js'

const [n1, n2] = [{ id: 'n1' }, { id: 'n2' }] as unknown as WatchedNode[]
const times = { createdAt: 0, accessedAt: Date.now(), idleTimeout: 60_000, absoluteDeadline: 0 }
const stamp = { now: 1, process: 'abcdef', forgetBefore: 0 }

/** What a walk over all sessions would find. */
function walked(local: LocalSessions) {
  const byNode = new Map<WatchedNode, number>()
  let [bytes, activeRequests] = [0, 0]
  for (const state of local.values()) {
    bytes += state.section.length
    activeRequests += state.activeRequests
    if (state.node !== undefined) byNode.set(state.node, (byNode.get(state.node) ?? 0) + 1)
  }
  return { byNode, bytes, activeRequests }
}

describe('the sums over the sessions in memory', () => {
  it('are what a walk over all of them would find, whatever happens to them', () => {
    const local = new LocalSessions(systemClock)
    const states = ['a', 'b', 'c', 'd'].map((token) => new SessionState(token, undefined, times))
    const [a, b, c, d] = states as [SessionState, SessionState, SessionState, SessionState]
    const twin = new SessionState('a', undefined, times)
    const steps: (() => void)[] = [
      () => a.settle(n1 as WatchedNode),
      () => local.add(a),
      () => local.add(b),
      () => b.settle(n1 as WatchedNode),
      () => a.enter(),
      () => a.initialize(stamp, 'x'),
      () => c.initialize(stamp, 'x'),
      () => c.enter(),
      () => local.add(c),
      () => c.setCookie('{"path":"/somewhere"}', 1000, { ...stamp, now: 2 }, 'x'),
      () => a.relocate(n2),
      () => c.moveWith(a),
      () => d.moveWith(a),
      () => local.add(a),
      () => local.add(twin),
      () => a.leave(),
      () => twin.take(c.section, 5),
      () => local.remove(a),
      () => b.relocate(undefined),
      () => local.remove(c),
      () => c.leave(),
      () => c.relocate(n1),
      () => local.remove(twin),
      () => local.remove(b),
    ]
    for (const step of steps) {
      step()
      const { byNode, bytes, activeRequests } = local.tally
      expect({ byNode, bytes, activeRequests }).toEqual(walked(local))
    }
    expect(local.size).toBe(0)
  })
})
