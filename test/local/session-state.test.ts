import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { SessionState } from '../../src/local/session-state.js'
import type { WatchedNode } from '../../src/placement/watched-node.js'
import {
  type AttributeSection,
  type Change,
  changeSection,
  covers,
  emptySection,
  findInSection,
  latestChange,
} from '../../src/record/attribute-section.js'
import { jsonCodec } from '../../src/record/codecs/json.js'
import { cookieChange, factsOf, lifeChange, ownerChange } from '../../src/record/session-facts.js'
import type { ChangeStamp } from '../../src/session/attributes.js'
import { SessionTokens, tokenDigest } from '../../src/session-id/session-id.js'

const node = (id: string | undefined): WatchedNode => ({ id }) as WatchedNode
const times = { createdAt: 0, accessedAt: 1000, idleTimeout: 500, absoluteDeadline: 0 }
const token = new SessionTokens(['secret']).issue()
const rules = { codec: jsonCodec, codecs: new Map([['json', jsonCodec]]), filter: undefined }
const [n1, n2] = [node('n1'), node('n2')]

const stampOf =
  (process: string, now = 5000): (() => ChangeStamp) =>
  () => ({ now, process, forgetBefore: 0 })
const mine = stampOf('here..')

function value(name: string, number: number): Change {
  return { name, codec: 'json', bytes: String(number) }
}

/** What another server makes of a section. */
function elsewhere(section: AttributeSection, ...changes: Change[]): AttributeSection {
  return changeSection(section, changes, stampOf('there.')())
}

const life = { idleTimeout: 500, absoluteDeadline: 0 }
const base = elsewhere(emptySection, lifeChange(life), ownerChange('app2'), value('a', 1))

/** A session as the storage has it. */
function stored(section = base): SessionState {
  return SessionState.fromRecord(
    token,
    'app1',
    { ...life, ...factsOf(section), createdAt: 42, attributes: section, era: 0 },
    1000,
  )
}

function set(state: SessionState, name: string, number: number, owner = 'app1'): boolean {
  state.attributes.set(name, number)
  return state.commit([], rules, () => {}, mine, owner)
}

const number = (section: AttributeSection, name: string) => findInSection(section, name)?.bytes

describe('the state of a session', () => {
  it('has an id that follows its node and keeps its token and key (W12, W26)', () => {
    const state = new SessionState(token, 'app1', times)
    expect(state.id).toBe(`${token}.app1`)
    const { keyDigest } = state
    state.settle(n1)
    expect(state.id).toBe(`${token}-n1.app1`)
    state.relocate(n2)
    expect(state.id).toBe(`${token}-n2.app1`)
    state.relocate(node(undefined))
    expect(state.id).toBe(`${token}.app1`)
    state.relocate(undefined)
    expect([state.id, state.keyDigest, keyDigest]).toEqual([`${token}.app1`, keyDigest, tokenDigest(token)])
    state.serveUnder('app2')
    expect([state.id, state.route]).toEqual([`${token}.app2`, 'app2'])
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
    const used = new SessionState(token, undefined, times)
    used.use(4000)
    expect([used.accessedAt, used.expiresAt]).toEqual([4000, 4500])
  })

  it('waits twice as long after each failure, within bounds, until a node has taken it', () => {
    const state = stored()
    state.settle(n1)
    expect([1, 2, 3, 4].map(() => state.failed(100, 700))).toEqual([100, 200, 400, 700])
    expect(state.retryPause).toBe(700)
    state.acknowledge(state.send(), n1, {}, 0, 0)
    expect(state.retryPause).toBe(0)
  })
})

describe('the phase of a session', () => {
  type Step = 'admit' | 'lose' | 'end'
  const phaseAfter = (...steps: Step[]): [string, (boolean | undefined)[]] => {
    const state = new SessionState(token, undefined, times)
    const told = steps.map((step) => (step === 'admit' ? state.admit(7) : state[step]()) as boolean | undefined)
    return [state.phase, told]
  }

  it('goes from new to live, lost and ended, and never back', () => {
    expect(phaseAfter()).toEqual(['new', []])
    expect(phaseAfter('admit')).toEqual(['live', [undefined]])
    expect(phaseAfter('admit', 'lose')).toEqual(['lost', [undefined, true]])
    expect(phaseAfter('admit', 'lose', 'lose', 'admit')).toEqual(['lost', [undefined, true, false, undefined]])
    expect(phaseAfter('admit', 'lose', 'end')).toEqual(['ended', [undefined, true, true]])
    expect(phaseAfter('lose')).toEqual(['new', [false]])
    expect(phaseAfter('end', 'end', 'admit', 'lose')).toEqual(['ended', [true, false, undefined, false]])
  })

  it('is "live" for one that was read from the storage, and what is admitted counts as compared', () => {
    expect(stored().phase).toBe('live')
    const state = new SessionState(token, undefined, times)
    state.admit(7)
    state.admit(9)
    expect(state.verifiedAt).toBe(7)
  })
})

describe('what a session has committed', () => {
  it('is nothing at first: neither is anything stored, nor could it be', () => {
    const state = new SessionState(token, undefined, times)
    expect([state.isBlank, state.isSaved, state.wasStored, state.mayBeStored, state.changedAt]).toEqual([
      true,
      false,
      false,
      false,
      0,
    ])
  })

  it('brings with the first change what every record has', () => {
    const state = new SessionState(token, undefined, times)
    expect(set(state, 'a', 1)).toBe(true)
    expect(factsOf(state.section)).toEqual({ ...life, owner: 'app1', cookie: '' })
    expect([state.isBlank, state.owner, state.changedAt]).toEqual([false, 'app1', 5000])
  })

  it('is no change when the values are those that were there, nor is the claim of the owner', () => {
    const state = stored()
    expect(set(state, 'a', 1)).toBe(false)
    expect(state.section).toBe(base)
    expect([state.claim('app2', mine()), state.owner]).toEqual([false, 'app2'])
  })

  it('keeps its owner with a change, and changes it with a claim', () => {
    const state = stored()
    set(state, 'a', 2)
    expect([state.owner, factsOf(state.section).owner]).toEqual(['app2', 'app2'])
    expect(state.claim('app1', mine())).toBe(true)
    expect([state.owner, factsOf(state.section).owner]).toEqual(['app1', 'app1'])
  })

  it('has no owner any more once a server has changed it whose sessions have none, and one again after that', () => {
    const state = stored()
    set(state, 'a', 2, '')
    expect([state.owner, factsOf(state.section).owner]).toEqual(['', ''])
    set(state, 'a', 3, 'app1')
    expect([state.owner, factsOf(state.section).owner]).toEqual(['app1', 'app1'])
  })

  it('is the timeouts that were given to it, and the cookie settings; without attributes too', () => {
    const state = new SessionState(token, undefined, times)
    state.initialize(mine(), 'app1')
    const { section } = state
    expect(factsOf(section)).toEqual({ ...life, owner: 'app1', cookie: '' })
    state.initialize(mine(), 'app1')
    expect(state.section).toBe(section)
    expect(state.setLife({ idleTimeout: 900, absoluteDeadline: 9000 }, mine(), 'app1')).toBe(true)
    expect(state.setLife({ idleTimeout: 900, absoluteDeadline: 9000 }, mine(), 'app1')).toBe(false)
    state.setCookie('{"maxAge":700}', 700, mine(), 'app1')
    const facts = { idleTimeout: 700, absoluteDeadline: 9000, owner: 'app1', cookie: '{"maxAge":700}' }
    expect(factsOf(state.section)).toEqual(facts)
    expect(state).toMatchObject(facts)
    state.setCookie('', 500, mine(), 'app1')
    expect(factsOf(state.section)).toEqual({ ...facts, idleTimeout: 500, cookie: '' })
  })

  it('leaves timeouts out that are hardly different, until something else is stored', () => {
    const state = stored()
    state.extend({ idleTimeout: 501, absoluteDeadline: 0 })
    expect([state.section, state.idleTimeout]).toEqual([base, 501])
  })
})

describe('what a session takes from the storage', () => {
  it('is joined with what was committed here: neither is lost', () => {
    const state = stored()
    set(state, 'b', 2)
    state.take(elsewhere(base, value('c', 3), value('a', 9)), 42)
    expect(['a', 'b', 'c'].map((name) => number(state.section, name))).toEqual(['9', '2', '3'])
    expect(number(state.base, 'b')).toBeUndefined()
    expect(number(state.base, 'c')).toBe('3')
  })

  it('is its facts too, where they are later than those here', () => {
    const state = stored()
    const there = { idleTimeout: 700, absoluteDeadline: 9000 }
    state.take(elsewhere(base, lifeChange(there), ownerChange('app3'), cookieChange('{"maxAge":700}')), 43)
    expect(state).toMatchObject({ ...there, owner: 'app3', cookie: '{"maxAge":700}', createdAt: 43 })
    state.take(base, 43)
    expect(state).toMatchObject({ ...there, owner: 'app3', cookie: '{"maxAge":700}' })
  })

  it('changes nothing when it is what is here, or was', () => {
    const state = stored()
    set(state, 'a', 2)
    const { section } = state
    state.take(base, 42)
    expect(state.section).toBe(section)
    state.take(section, 42)
    expect([state.section, state.base]).toEqual([section, section])
  })

  it('is compared with by what it is pending: what the storage is not known to have', () => {
    const state = stored()
    expect(state.pending()).toBe(emptySection)
    set(state, 'b', 2)
    const pending = state.pending()
    expect(['a', 'b'].map((name) => number(pending, name))).toEqual([undefined, '2'])
    state.handedOver(pending)
    expect(state.pending()).toBe(emptySection)
  })

  it('stays apart from what an older copy on this server hands over: that is pending', () => {
    const [old, current] = [stored(), stored(elsewhere(base, value('a', 9)))]
    set(old, 'b', 2)
    current.receive(old.pending())
    expect(['a', 'b'].map((name) => number(current.section, name))).toEqual(['9', '2'])
    expect(number(current.pending(), 'b')).toBe('2')
    expect(number(current.base, 'b')).toBeUndefined()
  })

  it('loses nothing in any order: all states of a session are one in the end', () => {
    const step = fc.record({
      who: fc.nat(1),
      what: fc.constantFrom('set', 'take', 'hand over'),
      name: fc.constantFrom('a', 'b', 'c'),
      number: fc.nat(3),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const states = [stored(), stored()] as const
        for (const { who, what, name, number: to } of steps) {
          const [state, other] = who === 0 ? states : ([states[1], states[0]] as const)
          const before = state.section
          if (what === 'set') {
            state.attributes.set(name, to)
            state.commit([], rules, () => {}, stampOf(`proc_${who}`), 'app1')
            expect(number(state.section, name)).toBe(String(to))
          } else if (what === 'take') state.take(other.section, 42)
          else state.receive(other.pending())
          expect(covers(state.section, before)).toBe(true)
        }
        const [one, other] = states
        const sections = [one.section, other.section] as const
        one.take(sections[1], 42)
        other.take(sections[0], 42)
        for (const name of ['a', 'b', 'c']) expect(number(one.section, name)).toBe(number(other.section, name))
        expect(latestChange(one.section)).toBe(latestChange(other.section))
      }),
    )
  })
})

describe('the stored copy of a session', () => {
  let state: SessionState

  beforeEach(() => {
    state = new SessionState(token, undefined, times)
    state.settle(n1)
    set(state, 'a', 1)
  })

  it('is what a node has taken; the session is saved when that is all there is', () => {
    const sent = state.send()
    expect([state.isSaved, state.mayBeStored, state.wasStored]).toEqual([false, true, false])
    const marker = {}
    expect(state.acknowledge(sent, n1, marker, 77, 2000)).toBe(true)
    expect(state.storedCopy).toEqual({ node: n1, fence: marker, deadline: 77, section: sent.section, era: 0 })
    expect([state.isSaved, state.wasStored, state.verifiedAt, state.base]).toEqual([true, true, 2000, state.section])
  })

  it('is not all there is when something was changed meanwhile', () => {
    const sent = state.send()
    set(state, 'a', 2)
    expect(state.acknowledge(sent, n1, {}, 0, 0)).toBe(true)
    expect([state.isSaved, number(state.base, 'a'), number(state.pending(), 'a')]).toEqual([false, '1', '2'])
    state.acknowledge(state.send(), n1, {}, 0, 0)
    expect(state.isSaved).toBe(true)
  })

  it('is joined with what was read while it was under way', () => {
    const sent = state.send()
    const theirs = elsewhere(sent.section, value('b', 2))
    state.take(theirs, 42)
    state.acknowledge(sent, n1, {}, 0, 0)
    expect(['a', 'b'].map((name) => number(state.base, name))).toEqual(['1', '2'])
    expect([state.isSaved, covers(state.base, theirs)]).toEqual([false, true])
  })

  it('is one that was left behind when the session has moved meanwhile', () => {
    const sent = state.send()
    expect(state.relocate(n2)).toBe(n1)
    expect(state.acknowledge(sent, n1, {}, 0, 0)).toBe(false)
    expect([state.storedCopy, state.isSaved, state.wasStored]).toEqual([undefined, false, true])
    expect([...(state.leftBehind ?? [])]).toEqual([n1])
    state.cleanedUp(n1)
    expect(state.leftBehind?.size).toBe(0)
  })

  it('counts where the session is, and is no longer left behind when it moves back', () => {
    state.acknowledge(state.send(), n1, {}, 0, 0)
    expect(state.relocate(n1)).toBeUndefined()
    expect(state.isSaved).toBe(true)
    state.relocate(n2)
    expect([state.isSaved, state.storedCopy]).toEqual([false, undefined])
    state.relocate(n1)
    expect([...(state.leftBehind ?? [])]).toEqual([n2])
    state.found(n2, {}, 0, { attributes: state.section, era: 0 })
    expect(state.isSaved).toBe(false)
    state.found(n1, {}, 0, { attributes: state.section, era: 0 })
    expect(state.isSaved).toBe(true)
  })

  it('is not what is here when it can not be read, is gone, or is to be written in another form', () => {
    state.found(n1, {}, 0, undefined)
    expect([state.isSaved, state.storedCopy?.node]).toEqual([false, n1])
    state.found(n1, {}, 0, { attributes: state.section, era: 0 })
    state.rewrite()
    expect([state.isSaved, state.storedCopy?.node]).toEqual([false, n1])
    state.forgetStored()
    expect([state.isSaved, state.storedCopy]).toEqual([false, undefined])
    state.rewrite()
    expect(state.storedCopy).toBeUndefined()
  })

  it('lives longer when it was seen to be unchanged, unless something else stands there meanwhile', () => {
    state.acknowledge(state.send(), n1, {}, 77, 0)
    const seen = state.storedCopy
    state.renewed(seen, 99)
    expect(state.storedCopy).toEqual({ ...seen, deadline: 99 })
    state.renewed(seen, 111)
    expect(state.storedCopy?.deadline).toBe(99)
    state.forgetStored()
    state.renewed(undefined, 111)
    expect(state.storedCopy).toBeUndefined()
  })

  it('is to be written again when all copies were compared in a later era than it says', () => {
    state.acknowledge(state.send(), n1, {}, 0, 0)
    state.compared(3)
    state.compared(2)
    expect([state.era, state.isSaved]).toEqual([3, false])
    const sent = state.send()
    state.compared(4)
    state.acknowledge(sent, n1, {}, 0, 0)
    expect([state.storedCopy?.era, state.isSaved]).toEqual([3, false])
    state.found(n1, {}, 0, { attributes: state.section, era: 4 })
    expect(state.isSaved).toBe(true)
  })

  it('keeps the life that is known of it, as long as what stands there is what stood there', () => {
    state.acknowledge(state.send(), n1, {}, 77, 0)
    state.found(n1, {}, 0, { attributes: state.section, era: 0 })
    expect(state.storedCopy?.deadline).toBe(77)
    state.found(n1, {}, 88, { attributes: state.section, era: 0 })
    expect(state.storedCopy?.deadline).toBe(88)
    state.found(n1, {}, 0, { attributes: elsewhere(state.section, value('b', 1)), era: 0 })
    expect(state.storedCopy?.deadline).toBe(0)
  })

  it('stays in its place: only the first one settles it', () => {
    state.settle(n2)
    expect(state.node).toBe(n1)
    const other = stored()
    other.moveWith(state)
    expect(other.node).toBe(n1)
  })
})
