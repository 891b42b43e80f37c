import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { createSessionManager, type Sessions } from '../src/create-session-manager.js'
import type { LocalSessions } from '../src/local/local-sessions.js'
import { SessionState } from '../src/local/session-state.js'
import { silentLogger } from '../src/logger.js'

const secret = 'hidden-secret-of-the-tests'
const key = 'hidden-key-of-the-tests-0123456789abcdefghi'
const password = 'hidden-password'
let sessions: Sessions

afterEach(async () => {
  await sessions.close()
})

describe('a session manager that is printed', () => {
  it('shows no secret, no password and no id, however deep somebody looks', async () => {
    sessions = createSessionManager({
      secret,
      nodes: `n1:memory:// n2:redis://:${password}@127.0.0.1:1`,
      encryption: { keys: [{ id: 'k1', key }] },
      admin: { listen: '127.0.0.1:0', auth: { users: [{ name: 'ops', role: 'operator', password }] } },
      logger: silentLogger,
    } as never)
    const { context } = sessions as unknown as { context: { local: LocalSessions } }
    const times = { createdAt: 0, accessedAt: Date.now(), idleTimeout: 60_000, absoluteDeadline: 0 }
    context.local.add(new SessionState('hidden-token', undefined, times))
    const printed = [
      inspect(sessions),
      inspect({ app: { sessions } }, { depth: 20 }),
      inspect(sessions, { depth: 20, customInspect: false, maxArrayLength: null, maxStringLength: null }),
      JSON.stringify({ sessions }),
      JSON.stringify({ ...sessions }),
      String(sessions),
    ]
    for (const text of printed) expect(text).not.toMatch(/hidden-/)
    expect(printed[0]).toContain('activeSessions: 1')
    expect(Object.keys(sessions)).not.toContain('context')
  })
})
