import { beforeEach, describe, expect, it } from 'vitest'
import { type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import { SessionState } from '../../src/local/session-state.js'
import { silentLogger } from '../../src/logger.js'
import { Engine } from '../../src/manager/engine.js'
import { SessionContent } from '../../src/manager/session-content.js'
import type { SessionEvents } from '../../src/manager/session-events.js'
import { type NewerContent, SessionMerger } from '../../src/manager/session-merger.js'
import { type AttributeSection, encodeSection } from '../../src/record/record-format.js'
import { decodedValue, encodeAttribute } from '../../src/session/attributes.js'
import { createManualClock } from '../../src/testing/manual-clock.js'

type Values = Record<string, unknown>
type Merge = NonNullable<HoldfastOptions['merge']>

let engine: Engine
let content: SessionContent
let merger: SessionMerger
let state: SessionState

function start(merge?: Merge): void {
  const options = { secret: 'a secret for tests only', logger: silentLogger, merge } as HoldfastOptions
  engine = new Engine(parseSettings(options), createManualClock())
  content = new SessionContent(engine)
  merger = new SessionMerger(engine, content)
}

beforeEach(() => start())

function sectionOf(values: Values): AttributeSection {
  return encodeSection(
    Object.entries(values).flatMap(([name, value]) => encodeAttribute(name, value, engine.rules) ?? []),
  )
}

/** A session whose version 3 is in the storage, with these attributes. */
function stored(base: Values): void {
  const now = engine.clock.now()
  const times = { createdAt: now, accessedAt: now, idleTimeout: 60_000, absoluteDeadline: 0 }
  state = new SessionState('token', undefined, times, sectionOf(base))
  state.savedSection = state.attributes.section
  state.version = 3
  state.savedVersion = 3
}

/** What a request here changes; `undefined` removes. */
function change(values: Values): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) state.attributes.delete(name)
    else state.attributes.set(name, value)
  }
  content.commit(state, [])
}

function absorb(theirs: Values, meta: Partial<NewerContent> = {}): void {
  merger.absorb(state, {
    version: 7,
    attributes: sectionOf(theirs),
    cookie: '',
    createdAt: state.createdAt,
    idleTimeout: 60_000,
    absoluteDeadline: 0,
    ...meta,
  })
}

function values(): Values {
  const { attributes } = state
  return Object.fromEntries(
    attributes.names().map((name) => [name, decodedValue(attributes.get(name) as never, engine.rules)]),
  )
}

const counters = () => engine.statistics.snapshot().counters

describe('changes that meet a newer record', () => {
  it('go on top of it, removals too, in a version of their own', () => {
    stored({ mine: 1, theirs: 1, gone: 1 })
    change({ mine: 2, gone: undefined, added: true })
    absorb({ mine: 1, theirs: 2, gone: 1, news: true })
    expect(values()).toEqual({ mine: 2, theirs: 2, added: true, news: true })
    expect([state.savedVersion, state.version]).toEqual([7, 8])
    expect(counters()).toMatchObject({ mergedAttributes: 3, conflictingAttributes: 0 })
  })

  it('are none where nothing was changed: the record is taken as it is', () => {
    stored({ a: 1 })
    absorb({ b: 2 })
    expect(values()).toEqual({ b: 2 })
    expect([state.savedVersion, state.version]).toEqual([7, 7])
  })

  it('that were assigned and not committed yet are not lost', () => {
    stored({ a: 1 })
    state.attributes.set('open', true)
    absorb({ a: 2 })
    expect(values()).toEqual({ a: 2, open: true })
  })

  it('win where both sides changed an attribute, without a merge function', () => {
    stored({ count: 1 })
    change({ count: 2 })
    absorb({ count: 5 })
    expect(values()).toEqual({ count: 2 })
    expect(counters()).toMatchObject({ conflictingAttributes: 1, mergeFailures: 0 })
  })

  it('are merged once more with what comes next, from the new base on', () => {
    stored({ a: 1 })
    change({ a: 2 })
    absorb({ a: 1, b: 1 })
    absorb({ a: 1, b: 2, c: 1 }, { version: 8 })
    expect(values()).toEqual({ a: 2, b: 2, c: 1 })
    expect([state.savedVersion, state.version]).toEqual([8, 9])
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
    absorb({ cart: ['tea', 'sugar'], mine: 1, theirs: 2, same: 2, both: 't' })
    expect(calls).toEqual([
      ['cart', ['tea'], ['tea', 'milk'], ['tea', 'sugar']],
      ['both', undefined, 'm', 't'],
    ])
  })

  it('decides: what it gives is stored', () => {
    start((_name, base, mine, theirs) => (theirs as number) + (mine as number) - (base as number))
    stored({ count: 10 })
    change({ count: 11 })
    absorb({ count: 15 })
    expect(values()).toEqual({ count: 16 })
  })

  it('sees undefined for what one side removed, and removes by giving undefined', () => {
    const calls: unknown[][] = []
    start((...args) => {
      calls.push(args)
      return undefined
    })
    stored({ a: 1, b: 1, c: 1 })
    change({ a: undefined, b: 2, c: 2 })
    absorb({ a: 5, c: 3 })
    expect(calls).toEqual([
      ['a', 1, undefined, 5],
      ['b', 1, 2, undefined],
      ['c', 1, 2, 3],
    ])
    expect(values()).toEqual({})
  })

  it.each<[string, Merge]>([
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
  ])('that %s keeps mine; an event and a counter tell', (_what, merge) => {
    start(merge)
    stored({ count: 1, other: 1 })
    const events: SessionEvents['attributeFailed'][] = []
    engine.events.on('attributeFailed', (event) => events.push(event))
    change({ count: 2 })
    absorb({ count: 5, other: 2 })
    expect(values()).toEqual({ count: 2, other: 2 })
    expect(counters()).toMatchObject({ mergeFailures: 1 })
    expect(events).toMatchObject([{ attribute: 'count', error: expect.any(Error), handle: state.handle }])
  })

  it('can not spoil what was handed to it', () => {
    start((_name, base, mine, theirs) => {
      for (const list of [base, mine, theirs] as number[][]) list.push(99)
      throw new Error('no idea')
    })
    stored({ list: [1] })
    change({ list: [1, 2] })
    absorb({ list: [1, 3] })
    expect(values()).toEqual({ list: [1, 2] })
  })
})

describe('the meta data of a merged session', () => {
  const theirs = { cookie: '{"maxAge":5000}', createdAt: 42, idleTimeout: 5000, absoluteDeadline: 99_000 }

  it('is that of the record, when this server changed no cookie settings', () => {
    stored({ a: 1 })
    change({ a: 2 })
    absorb({ a: 1 }, theirs)
    expect(state).toMatchObject({ ...theirs, savedCookie: theirs.cookie })
  })

  it('keeps cookie settings that were changed here, as a version of their own', () => {
    stored({ a: 1 })
    content.setCookie(state, '{"maxAge":1000}')
    absorb({ a: 2 }, theirs)
    expect(state).toMatchObject({ cookie: '{"maxAge":1000}', idleTimeout: 1000, savedCookie: theirs.cookie })
    expect([state.savedVersion, state.version]).toEqual([7, 8])
    expect(values()).toEqual({ a: 2 })
  })
})
