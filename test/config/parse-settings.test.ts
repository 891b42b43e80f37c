import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import { ConfigError, type ConfigProblem } from '../../src/errors.js'
import { consoleLogger, silentLogger } from '../../src/logger.js'
import { jsonCodec } from '../../src/record/codecs/json.js'

const secret = 'a-secret-of-the-tests-0123456789'
const own = { id: 'own', encode: () => Buffer.alloc(0), decode: () => null }

function parse(options: object) {
  return parseSettings({ secret, ...options } as HoldfastOptions)
}

function problemsOf(options: unknown): readonly ConfigProblem[] {
  try {
    parseSettings(options as HoldfastOptions)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('the defaults', () => {
  it('are filled in when only a secret is given', () => {
    const settings = parse({})
    expect(settings).toMatchObject({
      mode: 'sticky',
      route: undefined,
      failoverNodes: [],
      embed: undefined,
      secret: [secret],
      name: 'sid',
      cookieFor: undefined,
      cacheControl: true,
      clearCookie: false,
      rolling: false,
      saveUninitialized: false,
      unset: 'keep',
      genid: undefined,
      proxy: undefined,
      idleTimeout: 1_800_000,
      absoluteTimeout: 0,
      trustFor: 10_000,
      maxActiveSessions: 0,
      maxSessionBytes: 4_000_000,
      ignore: undefined,
      attributes: undefined,
      keyPrefix: 'holdfast:',
      operationTimeout: 1000,
      probeInterval: 500,
      enabled: true,
      statistics: true,
    })
    expect(settings.codec.writer).toBe(jsonCodec)
    expect(settings.logger).toBe(consoleLogger)
  })

  it('send a cookie that is safe', () => {
    expect(parse({}).cookie).toEqual({
      path: '/',
      domain: undefined,
      httpOnly: true,
      secure: 'auto',
      sameSite: 'lax',
      maxAge: undefined,
      partitioned: false,
      priority: undefined,
    })
  })

  it('lock nothing', () => {
    expect(parse({}).locking).toEqual({
      mode: 'none',
      pattern: undefined,
      expiry: 5000,
      timeout: 1000,
      onTimeout: 'fail',
      maxWaiters: 100,
    })
  })

  it('back up after the response', () => {
    expect(parse({}).backup).toEqual({
      mode: 'async',
      timeout: 100,
      replicas: 2,
      delay: 5,
      concurrency: 32,
      maxPendingBytes: 64_000_000,
      touchAfter: 0.2,
      attempts: 3,
      onUnstorable: 'fail',
      protectRate: 500,
    })
  })

  it('store in this process', () => {
    expect(parse({}).nodes.map((node) => [node.id, node.label])).toEqual([[undefined, 'memory://']])
  })

  it('are the same when keys are given as undefined', () => {
    const blank = { route: undefined, nodes: undefined, cookie: undefined, backup: undefined, idleTimeout: undefined }
    expect(parse(blank)).toEqual(parse({}))
  })
})

describe('values that are read', () => {
  it.each<[object, object]>([
    [{ secret: [secret, `${secret}2`] }, { secret: [secret, `${secret}2`] }],
    [{ route: 'app_1' }, { route: 'app_1' }],
    [{ idleTimeout: '1h' }, { idleTimeout: 3_600_000 }],
    [{ idleTimeout: 'none' }, { idleTimeout: 0 }],
    [
      { idleTimeout: 0, absoluteTimeout: '8h' },
      { idleTimeout: 0, absoluteTimeout: 28_800_000 },
    ],
    [{ trustFor: 0 }, { trustFor: 0 }],
    [{ maxActiveSessions: '1000' }, { maxActiveSessions: 1000 }],
    [{ maxSessionBytes: '16MiB' }, { maxSessionBytes: 16_777_216 }],
    [{ maxActiveSessions: 'none' }, { maxActiveSessions: 0 }],
    [{ embed: '127.0.0.1:11300' }, { embed: { host: '127.0.0.1', port: 11300, memoryLimit: 64_000_000 } }],
    [{ embed: '[::1]:11300' }, { embed: { host: '::1', port: 11300, memoryLimit: 64_000_000 } }],
    [
      { embed: { host: '::1', port: '1', memoryLimit: '8MB' } },
      { embed: { host: '::1', port: 1, memoryLimit: 8_000_000 } },
    ],
    [{ ignore: '/\\.png$/i' }, { ignore: /\.png$/i }],
    [{ attributes: '^user' }, { attributes: /^user/ }],
    [
      { rolling: 'true', statistics: 'false' },
      { rolling: true, statistics: false },
    ],
    [{ name: '__Host-sid', cookie: { secure: true } }, { name: '__Host-sid' }],
    [{ keyPrefix: '' }, { keyPrefix: '' }],
    [
      { unset: 'destroy', proxy: true, mode: 'sticky' },
      { unset: 'destroy', proxy: true },
    ],
    [
      { codec: own, logger: silentLogger },
      { codec: { writer: own }, logger: silentLogger },
    ],
    [
      { backup: { mode: 'sync', maxPendingBytes: '1MiB', touchAfter: 0.5 } },
      { backup: { mode: 'sync', maxPendingBytes: 1_048_576, touchAfter: 0.5 } },
    ],
  ])('%j', (options, expected) => {
    expect(parse(options)).toMatchObject(expected)
  })

  it.each<[object, object]>([
    [{ maxAge: '1d' }, { maxAge: 86_400_000 }],
    [{ maxAge: null }, { maxAge: undefined }],
    [{ maxAge: 'none' }, { maxAge: undefined }],
    [
      { secure: 'true', sameSite: 'strict' },
      { secure: true, sameSite: 'strict' },
    ],
    [
      { sameSite: false, priority: 'high' },
      { sameSite: false, priority: 'high' },
    ],
    [
      { sameSite: 'none', partitioned: true, secure: true },
      { sameSite: 'none', partitioned: true },
    ],
    [
      { domain: '.example.com', path: '/app' },
      { domain: '.example.com', path: '/app' },
    ],
  ])('cookie %j', (cookie, expected) => {
    expect(parse({ cookie }).cookie).toMatchObject(expected)
  })

  it('takes options for express-session: resave and store are ignored', () => {
    const options = { resave: false, store: {}, saveUninitialized: true, cookie: { maxAge: 60_000 } }
    expect(parse(options)).not.toHaveProperty('resave')
    expect(parse(options)).not.toHaveProperty('store')
  })
})

describe("nodes in the form of memcached-session-manager (its tests' M6, M7)", () => {
  it.each([
    ['n1:h1:11211', ['n1']],
    ['n1:h1:11211 n2:h2:11211', ['n1', 'n2']],
    ['n1:h1:11211,n2:h2:11211', ['n1', 'n2']],
  ])('nodes %j have the ids %j', (nodes, ids) => {
    expect(parse({ nodes }).nodes.map((node) => node.id)).toEqual(ids)
    expect(parse({ nodes }).nodes.map((node) => node.scheme)).toEqual(ids.map(() => 'memcached'))
  })

  it.each([
    ['n1', ['n1']],
    ['n1 n2', ['n1', 'n2']],
    ['n1,n2', ['n1', 'n2']],
    [
      ['n1', 'n2'],
      ['n1', 'n2'],
    ],
  ])('failoverNodes %j are %j', (failoverNodes, ids) => {
    expect(parse({ nodes: 'n1:h:1 n2:h:2 n3:h:3', failoverNodes }).failoverNodes).toEqual(ids)
  })
})

describe('refusals', () => {
  it.each<[object, string, string, RegExp]>([
    [{ route: 'a.b' }, 'route', '"a.b"', /letters, digits/],
    [{ route: 'a b-c' }, 'route', '"a b-c"', /letters, digits/],
    [{ route: 5 }, 'route', '5', /letters, digits/],
    [{ route: '' }, 'route', '""', /letters, digits/],
    [{ mode: 'loose' }, 'mode', '"loose"', /"sticky" or "non-sticky"/],
    [{ nodes: '' }, 'nodes', '', /at least one storage node/],
    [{ nodes: [] }, 'nodes', '', /at least one storage node/],
    [{ nodes: null }, 'nodes', 'null', /text or a list/],
    [{ failoverNodes: [1] }, 'failoverNodes', 'a list of 1', /ids of nodes/],
    [{ embed: 'localhost' }, 'embed', '"localhost"', /host:port/],
    [{ embed: 'localhost:0' }, 'embed', '"localhost:0"', /host:port/],
    [{ embed: { host: 'h', port: 1, memoryLimit: 5 } }, 'embed', 'an object', /from 1MB/],
    [{ embed: { host: 'h', port: 1, extra: 5 } }, 'embed', 'an object', /host, port, memoryLimit/],
    [{ name: 'my sid' }, 'name', '"my sid"', /cookie name/],
    [{ name: 'a;b' }, 'name', '"a;b"', /cookie name/],
    [{ rolling: 'yes' }, 'rolling', '"yes"', /true or false/],
    [{ saveUninitialized: 1 }, 'saveUninitialized', '1', /true or false/],
    [{ unset: 'drop' }, 'unset', '"drop"', /"keep" or "destroy"/],
    [{ genid: 'x' }, 'genid', '"x"', /function/],
    [{ proxy: null }, 'proxy', 'null', /true or false/],
    [{ idleTimeout: '30 minutes' }, 'idleTimeout', '"30 minutes"', /duration from 100ms to 3650d/],
    [{ idleTimeout: 50 }, 'idleTimeout', '50', /duration from 100ms/],
    [{ idleTimeout: -1 }, 'idleTimeout', '-1', /duration/],
    [{ absoluteTimeout: '9999d' }, 'absoluteTimeout', '"9999d"', /3650d/],
    [{ trustFor: -1 }, 'trustFor', '-1', /from 0ms to 1d/],
    [{ trustFor: 'none' }, 'trustFor', '"none"', /from 0ms to 1d/],
    [{ maxSessionBytes: '17MiB' }, 'maxSessionBytes', '"17MiB"', /size from 64KiB to 16MiB/],
    [{ backup: { onUnstorable: 'no' } }, 'backup.onUnstorable', '"no"', /"fail" or "report"/],
    [{ maxActiveSessions: 1.5 }, 'maxActiveSessions', '1.5', /whole number/],
    [{ ignore: '(' }, 'ignore', '"("', /regular expression/],
    [{ attributes: ['a'] }, 'attributes', 'a list of 1', /regular expression/],
    [{ codec: 'yaml' }, 'codec', '"yaml"', /"json"/],
    [{ codec: { ...own, id: 'json' } }, 'codec', 'an object', /id of its own/],
    [{ codec: { ...own, id: 'Ä' } }, 'codec', 'an object', /id of its own/],
    [{ codec: { id: 'x' } }, 'codec', 'an object', /encode, decode/],
    [{ keyPrefix: 'a b' }, 'keyPrefix', '"a b"', /printable ASCII/],
    [{ keyPrefix: 'ä' }, 'keyPrefix', '"ä"', /printable ASCII/],
    [{ keyPrefix: 'a'.repeat(101) }, 'keyPrefix', `"${'a'.repeat(80)}…"`, /at most 100/],
    [{ operationTimeout: 0 }, 'operationTimeout', '0', /from 1ms to 1m/],
    [{ operationTimeout: '61s' }, 'operationTimeout', '"61s"', /from 1ms to 1m/],
    [{ probeInterval: 1 }, 'probeInterval', '1', /from 10ms to 1h/],
    [{ logger: { info() {} } }, 'logger', 'an object', /debug, info, warn and error/],
    [{ cookie: 'x' }, 'cookie', '"x"', /object of cookie options/],
    [{ cookie: [] }, 'cookie', 'an empty list', /object of cookie options/],
    [{ cookie: { path: 'x' } }, 'cookie.path', '"x"', /starts with "\/"/],
    [{ cookie: { path: '/a;b' } }, 'cookie.path', '"/a;b"', /starts with "\/"/],
    [{ cookie: { domain: 'a b' } }, 'cookie.domain', '"a b"', /domain name/],
    [{ cookie: { secure: 'always' } }, 'cookie.secure', '"always"', /true, false or "auto"/],
    [{ cookie: { sameSite: 'Lax' } }, 'cookie.sameSite', '"Lax"', /"lax", "strict", "none" or "auto"/],
    [{ cookie: { maxAge: '1x' } }, 'cookie.maxAge', '"1x"', /duration/],
    [{ cookie: { priority: 1 } }, 'cookie.priority', '1', /"low" or "medium" or "high"/],
    [{ backup: null }, 'backup', 'null', /object of backup options/],
    [{ backup: { mode: 'later' } }, 'backup.mode', '"later"', /"async" or "sync"/],
    [{ backup: { timeout: '2m' } }, 'backup.timeout', '"2m"', /from 1ms to 1m/],
    [{ backup: { concurrency: 0 } }, 'backup.concurrency', '0', /from 1 to 1024/],
    [{ backup: { maxPendingBytes: 1 } }, 'backup.maxPendingBytes', '1', /size from 64KiB/],
    [{ backup: { touchAfter: 0 } }, 'backup.touchAfter', '0', /above 0 and up to 0.5/],
    [{ backup: { touchAfter: 0.6 } }, 'backup.touchAfter', '0.6', /above 0 and up to 0.5/],
    [{ backup: { attempts: 99 } }, 'backup.attempts', '99', /from 1 to 20/],
    [{ locking: 'all' }, 'locking', '"all"', /object of locking options/],
    [{ locking: { mode: 'some' } }, 'locking.mode', '"some"', /"none" or "all" or "auto" or "uri" or "app"/],
    [{ locking: { pattern: '(' } }, 'locking.pattern', '"("', /regular expression/],
    [{ locking: { expiry: '1s' } }, 'locking.expiry', '"1s"', /from 2s to 10m/],
    [{ locking: { timeout: '11m' } }, 'locking.timeout', '"11m"', /from 0ms to 10m/],
    [{ locking: { onTimeout: 'wait' } }, 'locking.onTimeout', '"wait"', /"fail" or "proceed"/],
    [{ locking: { maxWaiters: -1 } }, 'locking.maxWaiters', '-1', /from 0 to 100000/],
    [{ locking: { mode: 'uri' } }, 'locking.pattern', '', /pattern of the URLs that lock/],
    [{ backup: { protectRate: 0 } }, 'backup.protectRate', '0', /from 1 to 1000000/],
  ])('%j', (options, path, value, expected) => {
    expect(problemsOf({ secret, ...options })).toEqual([{ path, value, expected: expect.stringMatching(expected) }])
  })

  it.each([[undefined], ['short'], [[]], [''], [null], [5], [[secret, 'short']], [[secret, 5]], [{}]])(
    'the secret %j',
    (bad) => {
      const [problem, ...others] = problemsOf({ secret: bad })
      expect(others).toEqual([])
      expect(problem).toEqual({
        path: 'secret',
        value: bad === undefined ? '' : '[redacted]',
        expected: expect.stringContaining('at least 16 characters'),
      })
    },
  )

  it.each([null, 5, 'text', [], () => 1])('options that are %s', (options) => {
    if (options === null) expect(problemsOf(null)).toHaveLength(1)
    else expect(problemsOf(options)).toMatchObject([{ path: 'options', expected: 'an object of options' }])
  })

  it('tells every problem at once, of single keys and of combinations', () => {
    const options = {
      route: 'a b',
      trustFor: 'soon',
      trustfor: 1,
      name: '__Secure-sid',
      nodes: 'n1:h:1',
      failoverNodes: 'n2',
      cookie: { secure: false },
      backup: { mode: 'x', timeout: 0 },
    }
    const paths = problemsOf(options).map((problem) => problem.path)
    expect(paths.sort()).toEqual(
      [
        'backup.mode',
        'backup.timeout',
        'cookie.secure',
        'failoverNodes',
        'route',
        'secret',
        'trustFor',
        'trustfor',
      ].sort(),
    )
  })

  it('names the source, the path, the value and what was expected in the message', () => {
    const parseIt = () => parseSettings({ secret, route: 'a b' }, 'app.yaml')
    expect(parseIt).toThrow('app.yaml can\'t be used:\n  route: got "a b", expected letters, digits')
  })
})

describe('unknown keys', () => {
  it.each([
    [{ secrets: secret }, 'secrets', '; did you mean "secret"?'],
    [{ memcachedNodes: 'n1:h:1' }, 'memcachedNodes', '; did you mean "nodes"?'],
    [{ sessionBackupTimeout: 5 }, 'sessionBackupTimeout', '; did you mean "backup.timeout"?'],
    [{ cookie: { maxage: 5 } }, 'cookie.maxage', '; did you mean "maxAge"?'],
    [{ cookie: { expires: 5 } }, 'cookie.expires', '; an age is relative: use "maxAge"'],
    [{ cookie: { encode: String } }, 'cookie.encode', '; ids need no encoding'],
    [{ cookie: { signed: true } }, 'cookie.signed', '; the signature is within the id'],
    [{ backup: { timeOut: 5 } }, 'backup.timeOut', '; did you mean "timeout"?'],
    [{ colour: 'red' }, 'colour', ''],
    [{ constructor: 1 }, 'constructor', ''],
  ])('%j', (options, path, hint) => {
    expect(problemsOf({ secret, ...options })).toEqual([{ path, value: '', expected: `no key of this name${hint}` }])
  })

  it('include __proto__, which reaches no prototype', () => {
    const text = `{"secret": "${secret}", "__proto__": {"polluted": 1}, "cookie": {"__proto__": {"polluted": 1}}}`
    expect(problemsOf(JSON.parse(text)).map((problem) => problem.path)).toEqual(['cookie.__proto__', '__proto__'])
    expect(
      problemsOf(JSON.parse(`{"secret": "${secret}", "nodes": [{"url": "memory://", "__proto__": {}}]}`)),
    ).toHaveLength(1)
    expect({}).not.toHaveProperty('polluted')
  })
})

describe("combinations that can't work", () => {
  const two = 'n1:h:1 n2:h:2'

  it.each<[object, string]>([
    [{ nodes: two, failoverNodes: 'n3' }, 'failoverNodes'],
    [{ nodes: two, failoverNodes: 'n1 n2' }, 'failoverNodes'],
    [{ nodes: 'n1:h:1', failoverNodes: 'n1' }, 'failoverNodes'],
    [{ nodes: 'h:1', failoverNodes: 'n1' }, 'failoverNodes'],
    [{ nodes: 'h:1 n2:h:2' }, 'nodes[0]'],
    [{ nodes: 'n1:h:1 n1:h:2' }, 'nodes[1]'],
    [{ cookie: { sameSite: 'none', secure: false } }, 'cookie.secure'],
    [{ cookie: { partitioned: true, secure: false } }, 'cookie.secure'],
    [{ name: '__Host-sid', cookie: { secure: false } }, 'cookie.secure'],
    [{ name: '__host-sid', cookie: { path: '/app' } }, 'cookie.path'],
    [{ name: '__Host-sid', cookie: { domain: 'example.com' } }, 'cookie.domain'],
    [{ name: '__Secure-sid', cookie: { secure: false } }, 'cookie.secure'],
    [{ name: '__Http-sid', cookie: { secure: false } }, 'cookie.secure'],
    [{ name: '__Http-sid', cookie: { httpOnly: false } }, 'cookie.httpOnly'],
    [{ name: '__host-http-sid', cookie: { httpOnly: false } }, 'cookie.httpOnly'],
    [{ name: '__Host-Http-sid', cookie: { path: '/app' } }, 'cookie.path'],
  ])('%j', (options, path) => {
    expect(problemsOf({ secret, ...options }).map((problem) => problem.path)).toEqual([path])
  })

  it('leaves the ones that can', () => {
    expect(problemsOf({ secret, nodes: two, failoverNodes: 'n2' })).toEqual([])
    expect(problemsOf({ secret, name: '__Secure-sid', cookie: { path: '/app', domain: 'example.com' } })).toEqual([])
    expect(problemsOf({ secret, cookie: { sameSite: 'none' } })).toEqual([])
  })
})

describe('the result', () => {
  it('is frozen in all its parts', () => {
    const settings = parse({ nodes: 'n1:h:1', embed: 'h:1' })
    const parts = [
      settings,
      settings.cookie,
      settings.backup,
      settings.locking,
      settings.nodes,
      settings.nodes[0],
      settings.secret,
      settings.embed,
    ]
    expect(parts.every(Object.isFrozen)).toBe(true)
    expect(Object.isFrozen(settings.failoverNodes)).toBe(true)
  })

  it('leaves the options as they were', () => {
    const options = { secret: [secret], nodes: [{ id: 'n1', url: 'memory://' }], cookie: { path: '/' } }
    const before = structuredClone(options)
    parse(options)
    options.secret.push('the options are not frozen')
    expect({ ...options, secret: [secret] }).toEqual(before)
  })
})

describe('secrets', () => {
  const password = 'p4ssw0rd'

  it('do not show when settings are printed', () => {
    const settings = parse({ nodes: `n1:memcached://user:${password}@h:1` })
    expect(settings.nodes[0]?.password).toBe(password)
    for (const printed of [
      inspect(settings, { depth: 9, showHidden: false }),
      JSON.stringify(settings),
      inspect({ ...settings }),
    ]) {
      expect(printed).not.toContain(secret)
      expect(printed).not.toContain(password)
      expect(printed).toContain('[redacted]')
    }
  })

  it.each<object>([
    { secret: 'p4ssw0rd' },
    { secrets: password },
    { secret: [password] },
    { secret: { value: password } },
    { cookie: { secret: password } },
    { nodes: `n1:memcached://user:${password}@h:99999` },
    { nodes: `user:${password}@h:1` },
    { nodes: `n1:memcached://user:${password}` },
    { nodes: `redis://:${password}@h:1/name` },
    { nodes: `n1:memcached://user:${password}@with@at:1` },
    { nodes: [{ id: 'n1', url: `memcached://user:${password}@h:x` }] },
    { nodes: [{ id: 'n1', url: 'memcached://h', password }] },
    { nodes: [`n 1:memcached://user:${password}@h:1`] },
    { embed: `embedded://user:${password}@h:1` },
    { route: `memcached://user:${password}@h:1` },
    { keyPrefix: `redis://h:1 ?password=${password}` },
  ])('do not show in errors: %j', (options) => {
    const error = caught(() => parse(options))
    expect(error.problems.length).toBeGreaterThan(0)
    expect(`${error.message} ${inspect(error, { depth: 9 })} ${JSON.stringify(error.problems)}`).not.toContain(password)
  })
})

function caught(run: () => unknown): ConfigError {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('any JSON', () => {
  const keys = [
    'secret',
    'nodes',
    'route',
    'cookie',
    'backup',
    'locking',
    'embed',
    'idleTimeout',
    'failoverNodes',
    '__proto__',
    'codec',
    'ignore',
    'logger',
  ]
  const anyOptions = fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string()), fc.jsonValue())

  it('gives settings or a ConfigError, nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), anyOptions), (options) => {
        for (const problem of problemsOf(options)) expect(problem.path + problem.value).not.toMatch(/\p{Cc}/u)
      }),
      { numRuns: 500 },
    )
  })
})

describe('wait', () => {
  it('is off by default, and waits for tombstones when it is given', () => {
    expect(parse({}).wait).toBeUndefined()
    expect(parse({ wait: { replicas: 1 } }).wait).toEqual({ replicas: 1, timeout: 100, for: 'security' })
    const wait = { replicas: '2', timeout: '50ms', for: 'synchronous' }
    expect(parse({ wait }).wait).toEqual({ replicas: 2, timeout: 50, for: 'synchronous' })
  })

  it.each([
    [{}, 'wait.replicas'],
    [{ replicas: 0 }, 'wait.replicas'],
    [{ replicas: 1, timeout: '2m' }, 'wait.timeout'],
    [{ replicas: 1, for: 'all' }, 'wait.for'],
    [{ replicas: 1, quorum: 2 }, 'wait.quorum'],
    [{ replicas: 1, timeout: '501ms' }, 'wait.timeout'],
  ])('is refused as %j', (wait, path) => {
    expect(problemsOf({ secret, wait }).map((problem) => problem.path)).toEqual([path])
  })
})

describe('route', () => {
  it('may be the name of a pod, with dashes', () => {
    expect(parse({ route: 'shop-7c9f-x2' }).route).toBe('shop-7c9f-x2')
  })
})

describe('nearCache', () => {
  const nodes = 'n1:redis://h1 n2:memcached://h2'

  it('is off by default, and has limits when it is given', () => {
    expect(parse({ nodes }).nearCache).toBeUndefined()
    expect(parse({ nodes, nearCache: {} }).nearCache).toEqual({ maxBytes: 64_000_000, maxAge: 60_000 })
    expect(parse({ nodes, nearCache: { maxBytes: '1MB', maxAge: '5s' } }).nearCache).toEqual({
      maxBytes: 1_000_000,
      maxAge: 5000,
    })
  })

  it.each([
    [{ nodes, nearCache: { maxBytes: '1KB' } }, 'nearCache.maxBytes'],
    [{ nodes, nearCache: { maxAge: '0' } }, 'nearCache.maxAge'],
    [{ nodes, nearCache: { ttl: '5s' } }, 'nearCache.ttl'],
    [{ nodes, nearCache: true }, 'nearCache'],
    [{ nodes: 'n1:memcached://h1 n2:memcached://h2', nearCache: {} }, 'nearCache'],
    [{ nearCache: {} }, 'nearCache'],
  ])('is refused in %j', (options, path) => {
    expect(problemsOf({ secret, ...options }).map((problem) => problem.path)).toEqual([path])
  })
})
