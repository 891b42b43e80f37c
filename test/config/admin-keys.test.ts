import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { hashPassword, printPasswordHash } from '../../src/admin/access/password-hash.js'
import { defaultAdminLimits } from '../../src/admin/admin-settings.js'
import { describeSettings } from '../../src/config/describe-settings.js'
import { expandEnvironment } from '../../src/config/environment.js'
import { changeSettings, findProblems, type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'

const secret = 'a-secret-of-the-tests-0123456789'
const password = 'p4ssw0rd-of-the-tests'
const sha256 = 'ab'.repeat(32)
const ops = { name: 'ops', role: 'operator', password }
const ci = { name: 'ci', role: 'viewer', sha256 }

const parse = (admin: unknown) => parseSettings({ secret, admin } as HoldfastOptions).admin
const problems = (admin: unknown) => findProblems({ secret, admin })

describe('the key admin', () => {
  it('is off by default, and read-only without a listener when it is empty', () => {
    expect(parse(undefined)).toBeUndefined()
    expect(parse({})).toEqual({
      listen: undefined,
      auth: { users: [], tokens: [] },
      readOnly: true,
      allow: undefined,
      allowedHosts: [],
      trustedProxies: [],
      allowedOrigins: [],
      health: { public: true, storage: true },
      limits: defaultAdminLimits,
    })
  })

  it('prints nothing of what stands in its place, or in the place of a name', () => {
    for (const given of [
      { secret, admin: 'hidden-word-1' },
      { secret, admin: { auth: 'hidden-word-1' } },
      {
        secret,
        admin: {
          auth: { users: [{ name: 'ops', role: 'operator', password: 'hidden-word-1', 'hidden-word-12345': 1 }] },
        },
      },
      { secret, admin: { auth: { tokens: ['hidden-word-1'] } } },
      { secret, 'hidden-word-12345': 'x' },
      { secret, cookie: { [`hidden${'word'.repeat(10)}`]: 'x' } },
      { secret, encryption: { keys: [{ id: 'a', key: 'x', 'hidden-word-12345': 1 }] } },
    ]) {
      const found = findProblems(given)
      expect(found.length).toBeGreaterThan(0)
      expect(JSON.stringify(found)).not.toContain('hidden')
    }
  })

  it('reads addresses, lists and texts', () => {
    expect(parse({ listen: '[::1]:9400' })?.listen).toEqual({ host: '::1', port: 9400 })
    expect(parse({ listen: { host: 'localhost', port: '0' } })?.listen).toEqual({ host: 'localhost', port: 0 })
    const admin = parse({
      listen: '0.0.0.0:9400',
      auth: { users: [ops], tokens: [ci] },
      readOnly: 'false',
      allow: 'holdfast:type=A/* *:*/reset',
      allowedHosts: ['admin.example.com:9400', '*.ops.example.com'],
      trustedProxies: '10.0.0.0/8 ::1',
      allowedOrigins: 'https://hawtio.example.com',
      health: { public: false, storage: true },
      rate: 7,
    })
    expect(admin).toMatchObject({
      readOnly: false,
      allow: ['holdfast:type=A/*', '*:*/reset'],
      allowedHosts: ['admin.example.com:9400', '*.ops.example.com'],
      trustedProxies: ['10.0.0.0/8', '::1'],
      allowedOrigins: ['https://hawtio.example.com'],
      health: { public: false, storage: true },
      limits: { ...defaultAdminLimits, rate: 7 },
    })
    expect(admin?.auth.users[0]).toMatchObject({ name: 'ops', role: 'operator', values: false, password })
  })

  it('takes hashes, and passwords from the environment', async () => {
    const hash = printPasswordHash(await hashPassword(password))
    expect(problems({ auth: { users: [{ ...ops, password: hash }] } })).toEqual([])
    // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how a configuration refers to the environment
    const raw = { auth: { users: [{ ...ops, password: '${OPS}' }] } }
    const { value } = expandEnvironment(raw, { OPS: password })
    expect(problems(value)).toEqual([])
  })

  it.each([
    ['admin', 7, 'an object of options for the administration'],
    ['admin.listen', { listen: '9400' }, '"host:port" or { host, port }'],
    ['admin.listen', { listen: '0.0.0.0:9400' }, 'credentials in admin.auth when the address is no loopback address'],
    ['admin.readOnly', { allow: ['*:*/*'] }, 'false where admin.allow names what may be changed'],
    ['admin.allow', { readOnly: false, allow: ['x'] }, 'member patterns such as "holdfast:type=SessionManager/flush"'],
    ['admin.auth.users[0].password', { auth: { users: [{ ...ops, password: 'short' }] } }, /at least 12 characters/],
    ['admin.auth.users[0].password', { auth: { users: [{ ...ops, password: 'scrypt$15$broken' }] } }, /or a hash/],
    ['admin.auth.users[0].role', { auth: { users: [{ ...ops, role: 'root' }] } }, '"viewer" or "operator"'],
    ['admin.auth.tokens[0].sha256', { auth: { tokens: [{ ...ci, sha256: 'p4ss' }] } }, /SHA-256/],
    [
      'admin.auth',
      { auth: { users: [ops], tokens: [{ ...ci, name: 'ops' }] } },
      'a different name for each user and token',
    ],
    ['admin.allowedOrigins', { allowedOrigins: ['*'] }, /origins/],
    ['admin.readonly', { readonly: false }, 'no key of this name; did you mean "readOnly"?'],
  ])('tells what is wrong at %s', (path, admin, expected) => {
    const found = problems(admin)
    expect(found).toHaveLength(1)
    expect(found[0]?.path).toBe(path)
    expect(found[0]?.expected).toMatch(expected)
  })

  it('shows no credentials in errors, descriptions and prints', () => {
    const wrong = {
      users: [{ ...ops, password: 'p4ss' }, 'ops:p4ss'],
      tokens: [{ ...ci, sha256: 'p4ss' }, { other: 1 }],
      more: 1,
    }
    expect(JSON.stringify(problems({ auth: wrong }))).not.toContain('p4ss')
    const settings = parseSettings({
      secret,
      admin: { listen: '127.0.0.1:1', auth: { users: [ops], tokens: [ci] } },
    } as HoldfastOptions)
    const described = describeSettings(settings)
    expect(described).toMatchObject({ 'admin.listen': '127.0.0.1:1', 'admin.auth': 'ops (operator) ci (viewer)' })
    const shown = inspect(settings, { depth: 9 }) + JSON.stringify(settings) + JSON.stringify(described)
    expect(shown).not.toMatch(/p4ssw0rd|abab/)
  })

  it('can not be changed while running', () => {
    const current: HoldfastOptions = { secret, admin: { listen: '127.0.0.1:9400' } }
    expect(() => changeSettings(current, { admin: { listen: '127.0.0.1:9401' } })).toThrow(/while running/)
    expect(() => changeSettings(current, { admin: { listen: '127.0.0.1:9400' } })).not.toThrow()
  })
})
