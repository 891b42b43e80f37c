import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failoverOrder } from '../../src/placement/failover-order.js'
import { SessionTokens } from '../../src/session-id/session-id.js'

const issuer = new SessionTokens(['secret'])
const tokens = Array.from({ length: 6000 }, (_, i) => issuer.issue(`visitor${i}`))
const names = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9_]{1,8}$/), { maxLength: 6 })
const order = (token: string, nodes: readonly string[]): string[] => failoverOrder(token, nodes, (node) => node)

describe('the order of a session’s nodes', () => {
  it('holds each node once', () => {
    fc.assert(
      fc.property(fc.string(), names, (token, names) => {
        expect([...order(token, names)].sort()).toEqual([...names].sort())
      }),
    )
  })

  it('is the same on every server, in whatever order the nodes are configured', () => {
    fc.assert(
      fc.property(fc.string(), names, fc.infiniteStream(fc.nat()), (token, names, random) => {
        const shuffled = names
          .map((name) => ({ name, at: random.next().value as number }))
          .sort((a, b) => a.at - b.at)
          .map(({ name }) => name)
        expect(order(token, shuffled)).toEqual(order(token, names))
      }),
    )
  })

  it('keeps the order of the others when a node leaves or comes', () => {
    fc.assert(
      fc.property(fc.string(), names, fc.nat(), (token, names, pick) => {
        fc.pre(names.length > 0)
        const gone = names[pick % names.length]
        const left = names.filter((name) => name !== gone)
        expect(order(token, left)).toEqual(order(token, names).filter((name) => name !== gone))
      }),
    )
  })

  it('leaves the list that it is given alone', () => {
    const nodes = Object.freeze(['n3', 'n1', 'n2'])
    order('token', nodes)
    expect(nodes).toEqual(['n3', 'n1', 'n2'])
  })

  it.each([2, 3, 5, 8])('spreads the sessions evenly over %i nodes, the first choice and the second', (count) => {
    const nodes = Array.from({ length: count }, (_, i) => `n${i + 1}`)
    for (const rank of [0, 1]) {
      const shares = new Map(nodes.map((node) => [node, 0]))
      for (const token of tokens) {
        const node = order(token, nodes)[rank] as string
        shares.set(node, (shares.get(node) as number) + 1)
      }
      const even = tokens.length / count
      for (const [node, share] of shares) {
        expect(share, `${node} at rank ${rank}`).toBeGreaterThan(even * 0.85)
        expect(share, `${node} at rank ${rank}`).toBeLessThan(even * 1.15)
      }
    }
  })

  it('spreads the sessions of a node that died over all the others', () => {
    const nodes = ['n1', 'n2', 'n3', 'n4']
    const orphans = tokens.filter((token) => order(token, nodes)[0] === 'n1')
    const heirs = orphans.map((token) => order(token, nodes.slice(1))[0])
    for (const heir of ['n2', 'n3', 'n4']) {
      const share = heirs.filter((name) => name === heir).length / orphans.length
      expect(share, heir).toBeGreaterThan(0.25)
      expect(share, heir).toBeLessThan(0.42)
    }
  })

  it('does not depend on names being much alike', () => {
    const nodes = ['node_a_1', 'node_a_2', 'node_a_3']
    const first = tokens.filter((token) => order(token, nodes)[0] === 'node_a_1').length / tokens.length
    expect(first).toBeGreaterThan(0.29)
    expect(first).toBeLessThan(0.38)
  })
})
