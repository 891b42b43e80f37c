import { describe, expect, it } from 'vitest'
import { SessionState } from '../../src/local/session-state.js'
import type { WatchedNode } from '../../src/placement/watched-node.js'
import { SessionTokens, tokenDigest } from '../../src/session-id/session-id.js'

const node = (id: string | undefined): WatchedNode => ({ id }) as WatchedNode
const times = { createdAt: 0, accessedAt: 1000, idleTimeout: 500, absoluteDeadline: 0 }
const token = new SessionTokens(['secret']).issue()

describe('the state of a session', () => {
  it('has an id that follows its node and keeps its token and key (W12, W26)', () => {
    const state = new SessionState(token, 'app1', times)
    expect(state.id).toBe(`${token}.app1`)
    const { keyDigest } = state
    state.node = node('n1')
    expect(state.id).toBe(`${token}-n1.app1`)
    state.node = node('n2')
    expect(state.id).toBe(`${token}-n2.app1`)
    state.node = node(undefined)
    expect(state.id).toBe(`${token}.app1`)
    state.node = undefined
    expect([state.id, state.keyDigest, keyDigest]).toEqual([`${token}.app1`, keyDigest, tokenDigest(token)])
  })

  it('has a handle for logs that does not give the id away', () => {
    const state = new SessionState(token, undefined, times)
    expect(state.handle).toHaveLength(12)
    expect(state.id).not.toContain(state.handle)
    expect(tokenDigest(token).startsWith(state.handle)).toBe(true)
  })

  it('ends with the idle timeout or at the absolute deadline, what comes first, or never', () => {
    const end = (idleTimeout: number, absoluteDeadline: number): number =>
      new SessionState(token, undefined, { ...times, idleTimeout, absoluteDeadline }).expiresAt
    expect([end(500, 0), end(500, 1200), end(500, 9000), end(0, 9000)]).toEqual([1500, 1200, 1500, 9000])
    expect(end(0, 0)).toBe(Number.POSITIVE_INFINITY)
  })

  it('is saved only when the newest version stands in the storage', () => {
    const state = new SessionState(token, undefined, times)
    expect(state.isSaved).toBe(false)
    state.version = 2
    state.backup = { node: node('n1'), token: {}, deadline: 0, version: 1 }
    expect(state.isSaved).toBe(false)
    state.backup.version = 2
    expect(state.isSaved).toBe(true)
  })
})
