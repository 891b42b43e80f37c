import { beforeEach, describe, expect, it } from 'vitest'
import { type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import { SessionState } from '../../src/local/session-state.js'
import { silentLogger } from '../../src/logger.js'
import { SessionContent } from '../../src/manager/content/session-content.js'
import { SessionMerger } from '../../src/manager/content/session-merger.js'
import { ManagerContext } from '../../src/manager/context/manager-context.js'
import type { SessionEvents } from '../../src/manager/context/session-events.js'
import {
  type AttributeSection,
  type Change,
  changeSection,
  covers,
  emptySection,
} from '../../src/record/attribute-section.js'
import { cookieChange, factsOf, lifeChange, ownerChange } from '../../src/record/session-facts.js'
import { decodedValue, encodeAttribute } from '../../src/session/attributes.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'

type Values = Record<string, unknown>
type Merge = NonNullable<HoldfastOptions['merge']>

/** Before the change of this server's, or after it. */
type When = 'earlier' | 'later'

const life = { idleTimeout: 60_000, absoluteDeadline: 0 }

let clock: ManualClock
let context: ManagerContext
let content: SessionContent
let merger: SessionMerger
let state: SessionState
let base: AttributeSection

function start(merge?: Merge): void {
  const options = { secret: 'a secret for tests only', logger: silentLogger, merge } as HoldfastOptions
  clock = createManualClock()
  context = new ManagerContext(parseSettings(options), clock)
  content = new SessionContent(context)
  merger = new SessionMerger(context, content)
}

beforeEach(() => start())

/** A section after changes that another process made; `undefined` removes. */
function changed(section: AttributeSection, values: Values, now: number, ...facts: Change[]): AttributeSection {
  const changes = Object.entries(values).map(([name, value]) => encode(name, value))
  return changeSection(section, [...changes, ...facts], { now, process: 'others', forgetBefore: 0 })
}

function encode(name: string, value: unknown): Change {
  return encodeAttribute(name, value, context.rules) ?? { name, codec: '', bytes: undefined }
}

/** A session that is in the storage, with these attributes. What this server changes in it is changed a second later. */
function stored(values: Values): void {
  const now = clock.now()
  base = changed(emptySection, values, now, lifeChange(life), ownerChange('app'))
  state = SessionState.fromRecord(
    'token',
    undefined,
    { ...life, ...factsOf(base), createdAt: now, attributes: base, era: 0 },
    now,
  )
  clock.advance(1000)
}

/** What a request here changes; `undefined` removes. */
function change(values: Values): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) state.attributes.delete(name)
    else state.attributes.set(name, value)
  }
  content.commit(state, [])
}

/** What others have made of the stored session meanwhile: only what is named has changed. */
function theirs(values: Values, when: When = 'later', facts: Change[] = []): AttributeSection {
  return changed(base, values, clock.now() + (when === 'later' ? 500 : -500), ...facts)
}

function absorb(attributes: AttributeSection, createdAt = state.createdAt): boolean {
  return merger.absorb(state, { attributes, createdAt })
}

function values(): Values {
  const { attributes } = state
  return Object.fromEntries(
    attributes.names().map((name) => [name, decodedValue(attributes.get(name) as never, context.rules)]),
  )
}

const counters = () => context.statistics.snapshot().counters
const each = ['earlier', 'later'] as const

describe('changes that meet a newer record', () => {
  it.each(each)('are joined with it, removals too; the other changes were made %s', (when) => {
    stored({ mine: 1, theirs: 1, gone: 1, away: 1 })
    change({ mine: 2, gone: undefined, added: true })
    const attributes = theirs({ theirs: 2, news: true, away: undefined }, when)
    expect(absorb(attributes)).toBe(true)
    expect(values()).toEqual({ mine: 2, theirs: 2, added: true, news: true })
    expect([state.base, covers(state.section, attributes)]).toEqual([attributes, true])
    expect(counters()).toMatchObject({ mergedAttributes: 3, conflictingAttributes: 0 })
  })

  it('are none where nothing was changed: the record is taken as it is', () => {
    stored({ a: 1 })
    const attributes = theirs({ a: undefined, b: 2 })
    expect(absorb(attributes)).toBe(true)
    expect(values()).toEqual({ b: 2 })
    expect([state.section, state.base]).toEqual([attributes, attributes])
    expect(counters()).toMatchObject({ mergedAttributes: 0, conflictingAttributes: 0 })
  })

  it('are not touched by a record with nothing new in it', () => {
    stored({ a: 1 })
    change({ a: 2 })
    const { section } = state
    expect([absorb(base), absorb(section), absorb(base)]).toEqual([false, false, false])
    expect([state.section, state.base]).toEqual([section, section])
  })

  it('that were assigned and not committed yet are not lost', () => {
    stored({ a: 1 })
    state.attributes.set('open', true)
    absorb(theirs({ a: 2 }))
    expect(values()).toEqual({ a: 2, open: true })
  })

  it('win where both sides changed an attribute and they are the later ones, without a merge function', () => {
    stored({ count: 1 })
    change({ count: 2 })
    absorb(theirs({ count: 5 }, 'earlier'))
    expect(values()).toEqual({ count: 2 })
    expect(counters()).toMatchObject({ conflictingAttributes: 1, mergeFailures: 0 })
  })

  it('yield to later ones of others in the same attribute', () => {
    stored({ count: 1, gone: 1 })
    change({ count: 2, gone: 2 })
    absorb(theirs({ count: 5, gone: undefined }, 'later'))
    expect(values()).toEqual({ count: 5 })
    expect(counters()).toMatchObject({ conflictingAttributes: 2, mergeFailures: 0 })
  })

  it('are joined once more with what comes next', () => {
    stored({ a: 1 })
    change({ a: 2 })
    const first = theirs({ b: 1 })
    absorb(first)
    absorb(changed(first, { b: 2, c: 1 }, clock.now() + 700))
    expect(values()).toEqual({ a: 2, b: 2, c: 1 })
  })

  it('come to the same wherever they meet', () => {
    stored({ a: 1, b: 1, c: 1 })
    change({ a: 2, b: undefined })
    const mine = state.section
    const others = theirs({ a: 3, c: undefined, d: 1 })
    absorb(others)
    const here = values()
    state = SessionState.fromRecord(
      'token',
      undefined,
      { ...life, ...factsOf(others), createdAt: 0, attributes: others, era: 0 },
      0,
    )
    absorb(mine)
    expect(values()).toEqual(here)
  })
})

describe('the merge function', () => {
  it('is called with the name, base, mine and theirs, for attributes that both sides changed only', () => {
    const calls: unknown[][] = []
    start((...args) => {
      calls.push(args)
      return args[2]
    })
    stored({ cart: ['tea'], mine: 1, theirs: 1, same: 1 })
    change({ cart: ['tea', 'milk'], mine: 2, same: 2, both: 'm' })
    absorb(theirs({ cart: ['tea', 'sugar'], theirs: 2, same: 2, both: 't' }))
    expect(calls).toEqual([
      ['cart', ['tea'], ['tea', 'milk'], ['tea', 'sugar']],
      ['both', undefined, 'm', 't'],
    ])
    expect(counters()).toMatchObject({ conflictingAttributes: 2 })
  })

  it('is not asked again about what it has decided, nor about the same record', () => {
    let calls = 0
    start((_name, _base, mine) => {
      calls++
      return mine
    })
    stored({ a: 1 })
    change({ a: 2 })
    const attributes = theirs({ a: 3 })
    absorb(attributes)
    absorb(attributes)
    expect([calls, values()]).toEqual([1, { a: 2 }])
  })

  it('is not asked about what this process has written itself, and forgotten: the later change wins', () => {
    start(() => 'never asked')
    stored({ a: 1 })
    change({ a: 2 })
    absorb(changeSection(base, [encode('a', 3)], { ...context.stamp(0), now: clock.now() + 500 }))
    expect(values()).toEqual({ a: 3 })
    expect(counters()).toMatchObject({ conflictingAttributes: 0 })
  })

  it.each(each)('decides: what it gives is stored, later than both; the other change was made %s', (when) => {
    start((_name, base, mine, theirs) => (theirs as number) + (mine as number) - (base as number))
    stored({ count: 10 })
    change({ count: 11 })
    const mine = state.section
    const attributes = theirs({ count: 15 }, when)
    absorb(attributes)
    expect(values()).toEqual({ count: 16 })
    const decided = state.section
    for (const older of [mine, attributes]) absorb(older)
    expect([state.section === decided, values()]).toEqual([true, { count: 16 }])
  })

  it('sees undefined for what one side removed, and removes by giving undefined', () => {
    const calls: unknown[][] = []
    start((...args) => {
      calls.push(args)
      return undefined
    })
    stored({ a: 1, b: 1, c: 1 })
    change({ a: undefined, b: 2, c: 2 })
    absorb(theirs({ a: 5, b: undefined, c: 3 }))
    expect(calls).toEqual([
      ['a', 1, undefined, 5],
      ['b', 1, 2, undefined],
      ['c', 1, 2, 3],
    ])
    expect(values()).toEqual({})
  })

  const failing: [string, Merge][] = [
    [
      'throws',
      () => {
        throw new Error('no idea')
      },
    ],
    [
      'throws something that is no error',
      () => {
        throw 'no idea'
      },
    ],
    ['is asynchronous', () => Promise.resolve(7)],
    ['is asynchronous and fails', () => Promise.reject(new Error('no idea'))],
    ['gives what can not be stored', () => 1n],
  ]

  it.each(failing.flatMap(([what, merge]) => each.map((when) => [what, when, merge] as const)))(
    'that %s lets the later change win, theirs being the %s; an event and a counter tell',
    (_what, when, merge) => {
      start(merge)
      stored({ count: 1, other: 1 })
      const events: SessionEvents['attributeFailed'][] = []
      context.events.on('attributeFailed', (event) => events.push(event))
      change({ count: 2 })
      absorb(theirs({ count: 5, other: 2 }, when))
      expect(values()).toEqual({ count: when === 'later' ? 5 : 2, other: 2 })
      expect(counters()).toMatchObject({ mergeFailures: 1 })
      expect(events).toMatchObject([{ attribute: 'count', error: expect.any(Error), handle: state.handle }])
    },
  )

  it('can not spoil what was handed to it', () => {
    start((_name, base, mine, theirs) => {
      for (const list of [base, mine, theirs] as number[][]) list.push(99)
      throw new Error('no idea')
    })
    stored({ list: [1] })
    change({ list: [1, 2] })
    absorb(theirs({ list: [1, 3] }, 'earlier'))
    expect(values()).toEqual({ list: [1, 2] })
  })
})

describe('the meta data of a merged session', () => {
  const there = { idleTimeout: 5000, absoluteDeadline: 99_000 }
  const facts = [cookieChange('{"maxAge":5000}'), lifeChange(there), ownerChange('other')]

  it('is that of the record, when this server changed no cookie settings', () => {
    stored({ a: 1 })
    change({ a: 2 })
    absorb(theirs({}, 'earlier', facts), 42)
    expect(state).toMatchObject({ ...there, cookie: '{"maxAge":5000}', owner: 'other', createdAt: 42 })
    expect(values()).toEqual({ a: 2 })
    expect(counters()).toMatchObject({ conflictingAttributes: 0 })
  })

  it('keeps cookie settings that were changed here later', () => {
    stored({ a: 1 })
    content.setCookie(state, '{"maxAge":1000}')
    absorb(theirs({ a: 2 }, 'earlier', facts))
    expect(state).toMatchObject({ cookie: '{"maxAge":1000}', idleTimeout: 1000, owner: 'other' })
    expect(values()).toEqual({ a: 2 })
  })

  it('is that of the record, when it was changed there later', () => {
    stored({ a: 1 })
    content.setCookie(state, '{"maxAge":1000}')
    absorb(theirs({}, 'later', facts))
    expect(state).toMatchObject({ ...there, cookie: '{"maxAge":5000}' })
  })
})
