import { inspect } from 'node:util'
import { beforeEach, describe, expect, it } from 'vitest'
import { SessionState } from '../../src/local/session-state.js'
import { type Logger, silentLogger } from '../../src/logger.js'
import { SessionEvent, SessionEventBus } from '../../src/manager/context/session-events.js'
import { SessionTokens } from '../../src/session-id/session-id.js'

const token = new SessionTokens(['secret']).issue()
const times = { createdAt: 0, accessedAt: 0, idleTimeout: 0, absoluteDeadline: 0 }

let state: SessionState
let errors: string[]
let bus: SessionEventBus

beforeEach(() => {
  state = new SessionState(token, 'app1', times)
  errors = []
  const logger: Logger = { ...silentLogger, error: (message) => errors.push(message) }
  bus = new SessionEventBus(() => logger)
})

describe('the event of a session', () => {
  it('has the id for the application, and does not show it when it is printed or written as JSON (W37)', () => {
    const event = new SessionEvent(state, { from: 'app2', node: 'n1' })
    expect([event.id, event.handle]).toEqual([state.id, state.handle])
    for (const text of [inspect(event), inspect({ event }), JSON.stringify(event), `${event}`]) {
      expect(text).not.toContain(token.slice(0, 10))
    }
    expect(JSON.parse(JSON.stringify(event))).toEqual({ handle: state.handle, from: 'app2', node: 'n1' })
    expect(Object.keys({ ...event })).toEqual(['handle', 'from', 'node'])
  })

  it('keeps the id of its moment', () => {
    const event = new SessionEvent(state)
    const { id } = state
    state.relocate({ id: 'n2' } as never)
    expect([event.id, state.id === id]).toEqual([id, false])
  })
})

describe('the events of a manager', () => {
  it('reach their listeners with what they carry', () => {
    const seen: unknown[] = []
    bus.on('takenOver', ({ handle, from, node }) => seen.push([handle, from, node]))
    bus.on('nodeDown', (event) => seen.push(event))
    bus.emitSession('takenOver', state, { from: 'app2', node: 'n1' })
    const error = new Error('why')
    bus.emitNode('nodeDown', { node: 'n1', address: 'memory://', error })
    bus.emitNode('nodeUp', { node: 'n1', address: 'memory://' })
    expect(seen).toEqual([[state.handle, 'app2', 'n1'], { node: 'n1', address: 'memory://', error }])
  })

  it('reach a listener once, or no more, when it says so', () => {
    const seen: string[] = []
    const listener = (): void => void seen.push('on')
    bus.once('created', () => seen.push('once'))
    bus.on('created', listener)
    bus.emitSession('created', state)
    bus.emitSession('created', state)
    bus.off('created', listener)
    bus.emitSession('created', state)
    expect(seen).toEqual(['once', 'on', 'on'])
  })

  it('cost nothing when nobody listens', () => {
    const unread = {} as SessionState
    Object.defineProperty(unread, 'id', {
      get: () => {
        throw new Error('an event was made')
      },
    })
    bus.emitSession('created', unread)
    expect(errors).toEqual([])
  })

  it('do not come back to the sender when a listener throws, which is reported', () => {
    bus.on('expired', () => {
      throw new Error('the listener is broken')
    })
    bus.emitSession('expired', state)
    bus.emitNode('nodeUp', { node: 'n1', address: 'memory://' })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(/"expired" threw: Error: the listener is broken/)
  })

  it('reach the other listeners when one throws', () => {
    const seen: string[] = []
    bus.on('expired', () => {
      throw new Error('the listener is broken')
    })
    bus.on('expired', () => seen.push('second'))
    bus.once('expired', () => seen.push('third'))
    bus.emitSession('expired', state)
    expect([seen, errors.length]).toEqual([['second', 'third'], 1])
  })

  it('are reported too when a listener’s promise rejects', async () => {
    const failure = Promise.reject(new Error('the listener is broken'))
    failure.catch(() => {})
    bus.on('expired', (() => failure) as never)
    bus.emitSession('expired', state)
    await new Promise((go) => setImmediate(go))
    expect(errors).toHaveLength(1)
  })

  it('can have many listeners without a warning', async () => {
    const warnings: unknown[] = []
    const warn = (warning: unknown): void => void warnings.push(warning)
    process.on('warning', warn)
    for (let i = 0; i < 50; i++) bus.on('created', () => {})
    await new Promise((go) => setImmediate(go))
    process.off('warning', warn)
    expect(warnings).toEqual([])
  })
})
