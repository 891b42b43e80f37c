import { inspect } from 'node:util'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { SessionGoneError, UnserializableError } from '../../src/errors.js'
import { type AttributeSection, decodeSection } from '../../src/record/attribute-section.js'
import { toByteString } from '../../src/record/byte-string.js'
import { jsonCodec } from '../../src/record/codecs/json.js'
import { type Attribute, type AttributeRules, Attributes } from '../../src/session/attributes.js'
import {
  createSession,
  hostOf,
  type RegenerateOptions,
  Session,
  type SessionHost,
  sessionOf,
} from '../../src/session/session.js'
import { SessionCookie } from '../../src/session/session-cookie.js'
import { sectionWith, testStamp } from '../support/sections.js'

const rules: AttributeRules = { codec: jsonCodec, codecs: new Map([['json', jsonCodec]]), filter: undefined }

describe('the methods of a session', () => {
  it('can not be hidden by attributes', () => {
    const methods = Object.getOwnPropertyNames(Session.prototype).filter((name) => name !== 'constructor')
    const host = new NotingHost()
    const session = createSession(host)
    for (const name of methods) host.attributesToWrite().set(name, 'hidden')
    for (const name of methods) expect(Reflect.get(session, name)).not.toBe('hidden')
    expect(methods).toContain('lock')
  })
})

/** A host that only notes what it is asked. */
class NotingHost implements SessionHost {
  readonly id = 'the-id'
  readonly req = { url: '/' }
  readonly rules = rules
  readonly expiresAt = undefined
  readonly cookie = new SessionCookie({
    path: '/',
    domain: undefined,
    httpOnly: true,
    secure: false,
    sameSite: 'lax',
    maxAge: 60_000,
    partitioned: false,
    priority: undefined,
  })
  attributes: Attributes | undefined
  readonly calls: unknown[] = []
  readonly handedOut: string[] = []
  readonly unreadableNames: string[] = []
  failure: Error | undefined

  attributesToRead(): Attributes | undefined {
    return this.attributes
  }

  attributesToWrite(): Attributes {
    this.attributes ??= new Attributes()
    return this.attributes
  }

  handOut(attribute: Attribute): void {
    this.handedOut.push(attribute.name)
  }

  unreadable(attribute: Attribute): void {
    this.unreadableNames.push(attribute.name)
  }

  save(): Promise<void> {
    return this.note('save')
  }

  reload(): Promise<void> {
    return this.note('reload')
  }

  destroy(): Promise<void> {
    return this.note('destroy')
  }

  renewId(): Promise<void> {
    return this.note('renewId')
  }

  changing(): void {}

  unlock(): Promise<void> {
    return this.note('unlock')
  }

  regenerate(options: RegenerateOptions): Promise<void> {
    return this.note({ regenerate: options })
  }

  lock() {
    this.calls.push('lock')
    const release = async () => void this.calls.push('release')
    return Promise.resolve({ signal: new AbortController().signal, release })
  }

  passive(): void {
    this.calls.push('passive')
  }

  touch(): void {
    this.calls.push('touch')
  }

  private async note(call: unknown): Promise<void> {
    this.calls.push(call)
    if (this.failure !== undefined) throw this.failure
  }
}

type Open = Session & Record<string | symbol, unknown>

let host: NotingHost
let session: Open

beforeEach(() => {
  host = new NotingHost()
  session = createSession(host) as Open
})

function section(values: Record<string, string>): AttributeSection {
  return sectionWith(
    Object.entries(values).map(([name, json]) => ({ name, codec: 'json', bytes: toByteString(Buffer.from(json)) })),
  )
}

/** The attributes alone, as an application sees them. */
function shown(): Record<string, unknown> {
  const { cookie: _cookie, ...others } = session
  return others
}

describe('a session object', () => {
  it('behaves as a plain object whose properties are the attributes', () => {
    session.a = 1
    session.b = { deep: true }
    expect([session.a, session.b]).toEqual([1, { deep: true }])
    expect(Object.keys(session)).toEqual(['cookie', 'a', 'b'])
    expect(Object.entries(session).slice(1)).toEqual([
      ['a', 1],
      ['b', { deep: true }],
    ])
    expect(['a' in session, 'c' in session, 'save' in session, 'cookie' in session]).toEqual([true, false, true, true])
    expect(shown()).toEqual({ a: 1, b: { deep: true } })
    expect(delete session.a).toBe(true)
    expect(['a' in session, session.a]).toEqual([false, undefined])
    expect(delete session.never).toBe(true)
  })

  it('is walked by for-in like a plain object', () => {
    Object.assign(session, { x: 1, y: 2 })
    const names: string[] = []
    for (const name in session) names.push(name)
    expect(names).toEqual(['cookie', 'x', 'y'])
  })

  it('knows its own properties', () => {
    session.x = 1
    for (const own of ['x', 'cookie']) {
      expect(Object.hasOwn(session, own), own).toBe(true)
      // biome-ignore lint/suspicious/noPrototypeBuiltins: applications do call it so
      expect(session.hasOwnProperty(own), own).toBe(true)
    }
    for (const other of ['y', 'save', 'toString']) expect(Object.hasOwn(session, other), other).toBe(false)
    expect(Object.getOwnPropertyDescriptor(session, 'x')).toEqual({
      value: 1,
      writable: true,
      enumerable: true,
      configurable: true,
    })
  })

  it('is written as JSON with its cookie and its attributes, and without its id', () => {
    session.user = { name: 'x' }
    const json = JSON.parse(JSON.stringify(session))
    expect(Object.keys(json)).toEqual(['cookie', 'user'])
    expect(json.user).toEqual({ name: 'x' })
    expect(json.cookie).toMatchObject({ path: '/', originalMaxAge: 60_000 })
    expect(JSON.stringify(session)).not.toContain('the-id')
  })

  it('takes everything that Object.assign and defineProperty put on it', () => {
    Object.assign(session, { a: 1 }, { b: 2 })
    Object.defineProperty(session, 'c', { value: 3, writable: true, enumerable: true, configurable: true })
    expect(shown()).toEqual({ a: 1, b: 2, c: 3 })
    expect(Reflect.defineProperty(session, 'd', { get: () => 1 })).toBe(false)
    expect('d' in session).toBe(false)
  })

  it('does what a plain object does, whatever is done to it', () => {
    const name = fc.constantFrom('a', 'b', 'toString', 'constructor', 'valueOf', '0', '')
    const step = fc.record({ name, kind: fc.constantFrom('set', 'delete', 'assign'), value: fc.jsonValue() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const session = createSession(new NotingHost()) as Open
        const plain: Record<string, unknown> = {}
        for (const { name, kind, value } of steps) {
          for (const target of [session, plain] as Record<string, unknown>[]) {
            if (kind === 'set') target[name] = value
            else if (kind === 'assign') Object.assign(target, { [name]: value })
            else delete target[name]
          }
          expect(Object.hasOwn(session, name)).toBe(Object.hasOwn(plain, name))
          expect(name in session).toBe(name in plain)
          if (Object.hasOwn(plain, name)) expect(session[name]).toBe(plain[name])
        }
        const { cookie: _cookie, ...spread } = session
        expect(Object.keys(spread).sort()).toEqual(Object.keys(plain).sort())
        expect(spread).toEqual(plain)
      }),
    )
  })

  it('is shown with its attributes when it is inspected', () => {
    session.cart = ['tea']
    expect(inspect(session)).toContain("cart: [ 'tea' ]")
    expect(inspect({ session })).toContain("cart: [ 'tea' ]")
    expect(inspect(session)).not.toContain('the-id')
    expect(inspect(session)).not.toContain('NotingHost')
  })

  it('is a Session, and can neither be frozen nor get another prototype', () => {
    expect(session).toBeInstanceOf(Session)
    expect(() => Object.freeze(session)).toThrow(TypeError)
    expect(() => Object.setPrototypeOf(session, {})).toThrow(TypeError)
    expect(hostOf(session)).toBe(host)
  })

  it('makes no session by being looked at', () => {
    expect([session.x, 'x' in session, Object.keys(session), delete session.x]).toEqual([
      undefined,
      false,
      ['cookie'],
      true,
    ])
    JSON.stringify(session)
    inspect(session)
    expect(host.attributes).toBeUndefined()
  })

  it('is not taken for a promise or anything else that is guessed by a property', async () => {
    expect(session.then).toBeUndefined()
    expect(session.toJSON).toBeUndefined()
    expect(await session).toBe(session)
    expect(`${session}`).toBe('[object Object]')
  })
})

describe('the session of a request', () => {
  it('is given by sessionOf with the attributes that are asked for', () => {
    const mine = sessionOf<{ cart: string[] }>({ session })
    mine.cart = ['tea']
    expect(session.cart).toEqual(['tea'])
  })

  it('is an error when there is none', () => {
    for (const req of [{}, { session: null }, { session: undefined }, { session: { cart: [] } }]) {
      expect(() => sessionOf(req)).toThrow(SessionGoneError)
    }
  })
})

describe('the names that a session object has for itself', () => {
  it('are methods on the prototype which are not enumerable, as session libraries expect', () => {
    for (const name of ['save', 'reload', 'destroy', 'touch', 'regenerate', 'resetMaxAge']) {
      expect(typeof session[name], name).toBe('function')
      expect(Object.hasOwn(session, name), name).toBe(false)
      expect(Object.getOwnPropertyDescriptor(Session.prototype, name)?.enumerable, name).toBe(false)
    }
    for (const name of ['save', 'reload', 'destroy', 'regenerate'] as const) expect(session[name].length, name).toBe(1)
  })

  it('hide stored attributes of the same names', () => {
    host.attributes = new Attributes(section({ id: '"forged"', save: '1', cookie: '{}', req: '1', kept: '2' }))
    expect([session.id, session.req, session.cookie]).toEqual(['the-id', host.req, host.cookie])
    expect(typeof session.save).toBe('function')
    expect(Object.keys(session)).toEqual(['cookie', 'kept'])
  })

  it.each(['id', 'req'])('are read-only and not enumerable, as far as %s goes', (name) => {
    const value = session[name]
    expect(Object.getOwnPropertyDescriptor(session, name)).toMatchObject({ value, enumerable: false, writable: false })
    expect(() => Object.assign(session, { [name]: 'other' })).toThrow(TypeError)
    expect(() => Object.defineProperty(session, name, { value: 'other' })).toThrow(TypeError)
    expect(() => delete session[name]).toThrow(TypeError)
    expect(session[name]).toBe(value)
    expect(Object.keys(session)).toEqual(['cookie'])
    expect(host.attributes).toBeUndefined()
  })

  it('can be replaced on one object, as wrappers do, without becoming attributes', () => {
    const original = session.save
    const wrapped = (): Promise<void> => {
      host.calls.push('wrapped')
      return Reflect.apply(original, session, [])
    }
    Object.assign(session, { save: wrapped })
    void session.save()
    expect(host.calls).toEqual(['wrapped', 'save'])
    expect(host.attributes).toBeUndefined()
    expect((createSession(host) as Open).save).toBe(original)
  })

  it('take an assigned cookie’s settings, not the object', () => {
    const other = new NotingHost().cookie
    other.maxAge = 5000
    other.path = '/other'
    Object.assign(session, { cookie: other })
    expect(session.cookie).toBe(host.cookie)
    expect(session.cookie).toMatchObject({ path: '/other', originalMaxAge: 5000 })
    for (const nonsense of [null, undefined, 'x', 1]) Object.assign(session, { cookie: nonsense })
    expect(session.cookie).toBe(host.cookie)
  })

  it('survive that somebody defines the cookie as a property', () => {
    Reflect.defineProperty(session, 'cookie', { value: {}, configurable: true, enumerable: true, writable: true })
    expect(Object.keys(session)).toEqual(['cookie'])
  })
})

describe('"__proto__" on a session object', () => {
  it('is harmless when it is assigned', () => {
    const before = Object.getPrototypeOf(session)
    Reflect.set(session, '__proto__', { polluted: true })
    Object.assign(session, JSON.parse('{"__proto__":{"polluted":true}}'))
    expect(Object.getPrototypeOf(session)).toBe(before)
    expect(session.polluted).toBeUndefined()
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(Object.keys(session)).toEqual(['cookie'])
    expect(typeof session.save).toBe('function')
  })

  it('is not visible when it is stored', () => {
    host.attributes = new Attributes(section({ ['__proto__']: '{"polluted":true}', a: '1' }))
    expect(session.polluted).toBeUndefined()
    expect(Object.keys(session)).toEqual(['cookie', 'a'])
    expect(Object.getPrototypeOf({ ...session })).toBe(Object.prototype)
  })
})

describe('symbols on a session object', () => {
  const mark = Symbol('mark')

  it('stay on the object and are not attributes', () => {
    session[mark] = 1
    expect([session[mark], mark in session]).toEqual([1, true])
    expect(Object.getOwnPropertySymbols(session)).toEqual([mark])
    expect(host.attributes).toBeUndefined()
    delete session[mark]
    expect(mark in session).toBe(false)
  })

  it('do not show what is behind the object', () => {
    expect(Object.getOwnPropertySymbols(session)).toEqual([])
    expect(Reflect.ownKeys({ ...session })).toEqual(['cookie'])
  })
})

describe('what a session object tells its host', () => {
  it('is which values were given to the application, and only those that can be changed inside', () => {
    host.attributes = new Attributes(section({ n: '1', s: '"x"', nothing: 'null', list: '[]', o: '{}' }))
    for (const name of ['n', 's', 'nothing', 'list', 'o', 'missing']) session[name]
    expect(host.handedOut).toEqual(['list', 'o'])
  })

  it('is also a value that was assigned, as the application still holds it', () => {
    session.list = []
    session.count = 1
    expect(host.handedOut).toEqual(['list'])
  })

  it('is an attribute that can not be read, which is undefined then', () => {
    host.attributes = new Attributes(section({ broken: '{', fine: '1' }))
    expect([session.broken, session.fine]).toEqual([undefined, 1])
    expect(host.unreadableNames).toEqual(['broken'])
    expect({ ...session }).toHaveProperty('fine', 1)
  })

  it('decodes nothing for its keys alone', () => {
    host.attributes = new Attributes(section({ broken: '{' }))
    expect(['broken' in session, Reflect.ownKeys(session)]).toEqual([true, ['cookie', 'broken']])
    expect(host.unreadableNames).toEqual([])
  })
})

describe('the methods of a session object', () => {
  it('give a promise without a callback', async () => {
    await session.save()
    await session.reload()
    await session.destroy()
    await session.regenerate()
    await session.regenerate({ keep: true })
    expect(host.calls).toEqual(['save', 'reload', 'destroy', { regenerate: {} }, { regenerate: { keep: true } }])
  })

  it('give the object with a callback, which is called later', async () => {
    for (const method of ['save', 'reload', 'destroy', 'regenerate'] as const) {
      let called = false
      const done = new Promise<unknown[]>((resolve) => {
        const result = session[method]((...args: unknown[]) => {
          called = true
          resolve(args)
        })
        expect(result).toBe(session)
      })
      expect(called).toBe(false)
      expect(await done, method).toEqual([])
    }
    await new Promise<void>((resolve) => void session.regenerate({ keep: true }, () => resolve()))
    expect(host.calls.at(-1)).toEqual({ regenerate: { keep: true } })
  })

  it('pass an error to the promise or to the callback', async () => {
    host.failure = new Error('no storage')
    await expect(session.save()).rejects.toThrow('no storage')
    expect(await new Promise((resolve) => void session.save(resolve))).toBe(host.failure)
    expect(await new Promise((resolve) => void session.regenerate(resolve))).toBe(host.failure)
  })

  it('bring nothing down when they fail and nobody waits for them', async () => {
    const unhandled: unknown[] = []
    const note = (error: unknown): void => void unhandled.push(error)
    process.on('unhandledRejection', note)
    host.failure = new Error('no storage')
    for (const method of ['save', 'reload', 'destroy', 'regenerate'] as const) void session[method]()
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })

  it('can be called on the object again, as touch and resetMaxAge give it back', () => {
    expect(session.touch().resetMaxAge()).toBe(session)
    expect(host.calls).toEqual(['touch'])
  })

  it('work when they are taken off the object and bound', async () => {
    const save = session.save.bind(session)
    await save()
    expect(host.calls).toEqual(['save'])
  })
})

describe('the attributes behind a session object', () => {
  it('are 10,000 at most: one more throws where it is put on', () => {
    for (let i = 0; i < 10_000; i++) session[`a${i}`] = i
    const put = [
      () => Object.assign(session, { b: 1 }),
      () => Object.defineProperty(session, 'b', { value: [], configurable: true, enumerable: true, writable: true }),
    ]
    for (const one of put) expect(one).toThrow(UnserializableError)
    expect(['b' in session, host.handedOut]).toEqual([false, []])
    session.a0 = 'other'
    expect(session.a0).toBe('other')
  })

  it('are what was put on it', () => {
    session.a = { b: 1 }
    host.attributes?.commit([], rules, () => {}, testStamp)
    const stored = decodeSection(host.attributes?.section as AttributeSection)
    expect(stored.map(({ name, bytes }) => [name, bytes])).toEqual([['a', '{"b":1}']])
  })
})
