import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../src/errors.js'
import { type NodeAddress, parseNodeAddress, parseNodeList } from '../../src/node/address/node-address.js'

function nodes(value: unknown): NodeAddress[] {
  const result = parseNodeList(value, 'nodes')
  expect(result.problems).toEqual([])
  return result.nodes
}

function problems(value: unknown): { path: string; value: string; expected: string }[] {
  const result = parseNodeList(value, 'nodes')
  expect(result.nodes).toEqual([])
  expect(result.problems.length).toBeGreaterThan(0)
  return result.problems
}

const plain = { username: undefined, password: undefined }

describe('a node address', () => {
  it('is a memcached URL, with 11211 as the port unless another is given', () => {
    expect(parseNodeAddress('memcached://cache.example')).toEqual({
      ...plain,
      id: undefined,
      scheme: 'memcached',
      host: 'cache.example',
      port: 11211,
      label: 'memcached://cache.example:11211',
    })
    expect(parseNodeAddress('MEMCACHED://cache.example:4711/').port).toBe(4711)
  })

  it('can carry percent-encoded credentials, which the label does not show', () => {
    const address = parseNodeAddress('memcached://us%40er:p%3Aa%2Fss%2C%20@h:1')
    expect(address).toMatchObject({ username: 'us@er', password: 'p:a/ss, ', label: 'memcached://h:1' })
  })

  it('takes IPv6 in brackets', () => {
    expect(parseNodeAddress('memcached://[::1]:4711')).toMatchObject({
      host: '::1',
      port: 4711,
      label: 'memcached://[::1]:4711',
    })
    expect(parseNodeAddress('n1:[fe80::1]:11211')).toMatchObject({ id: 'n1', host: 'fe80::1' })
  })

  it('is an embedded node with a port, or memory', () => {
    expect(parseNodeAddress('embedded://10.0.0.1:4711')).toMatchObject({ scheme: 'embedded', port: 4711 })
    expect(parseNodeAddress('memory://')).toMatchObject({ scheme: 'memory', host: '', port: 0, label: 'memory://' })
  })

  it('is host:port, which means memcached', () => {
    expect(parseNodeAddress('localhost:11211')).toMatchObject({ id: undefined, label: 'memcached://localhost:11211' })
    expect(parseNodeAddress('n1:localhost:11211')).toMatchObject({ id: 'n1', host: 'localhost' })
  })

  it('takes its id from in front or from beside, but not two', () => {
    expect(parseNodeAddress('n1:memory://').id).toBe('n1')
    expect(parseNodeAddress('memory://', 'n2').id).toBe('n2')
    expect(parseNodeAddress('n1:memory://', 'n1').id).toBe('n1')
    expect(() => parseNodeAddress('n1:memory://', 'n2')).toThrow(/one id/)
    expect(parseNodeAddress('memory://', 'cache-0').id).toBe('cache-0')
    expect(parseNodeAddress('cache-0:redis://localhost')).toMatchObject({ id: 'cache-0', host: 'localhost' })
    expect(parseNodeAddress('cache-0:my-host:11211')).toMatchObject({ id: 'cache-0', host: 'my-host' })
    expect(parseNodeAddress('my-host:11211')).toMatchObject({ id: undefined, host: 'my-host' })
    expect(() => parseNodeAddress('memory://', 'n.2')).toThrow(/letters, digits, underscores and dashes/)
  })

  it('takes TLS for memcached with memcacheds, and files and names from its parameters', () => {
    expect(
      parseNodeAddress('n1:memcacheds://user:p%2Fw@cache?ca=%2Fca.pem&cert=c&key=k&servername=cache.example'),
    ).toEqual({
      id: 'n1',
      scheme: 'memcached',
      host: 'cache',
      port: 11211,
      username: 'user',
      password: 'p/w',
      tls: { ca: '/ca.pem', cert: 'c', key: 'k', servername: 'cache.example' },
      label: 'memcacheds://cache:11211',
    })
    expect(parseNodeAddress('memcacheds://h:1')).toMatchObject({ tls: { ca: undefined, servername: undefined } })
  })

  it('takes the protocol of memcached, and none unless it is told', () => {
    expect(parseNodeAddress('memcached://h?protocol=binary')).toMatchObject({ protocol: 'binary' })
    expect(parseNodeAddress('memcached://h:1/?protocol=meta')).toMatchObject({ protocol: 'meta', port: 1 })
    expect(parseNodeAddress('embedded://h:1?protocol=meta')).toMatchObject({ scheme: 'embedded', protocol: 'meta' })
    expect(parseNodeAddress('memcacheds://h?protocol=meta')).toMatchObject({ protocol: 'meta' })
    expect(parseNodeAddress('h:11211')).not.toHaveProperty('protocol')
  })

  it.each([
    ['', /memcached:\/\/host:port/],
    ['localhost', /host:port/],
    ['n1:localhost', /host:port/],
    ['localhost:0', /1 to 65535/],
    ['localhost:65536', /1 to 65535/],
    ['memcached://', /host:port/],
    ['memcached://h:port', /host:port/],
    ['memcached://h:1/path', /host:port/],
    ['memcached://::1:11211', /brackets/],
    ['memcached://[nonsense]:11211', /brackets/],
    ['memcached://999.1.1.1:11211', /host:port/],
    ['memcached://user@h', /user:password/],
    ['memcached://user:@h', /user:password/],
    ['memcached://user:%zz@h', /percent-encoded/],
    ['memcached://h?protocol', /only the parameters protocol/],
    ['memcached://h?protocol=', /value for protocol/],
    ['memcached://h?protocol=text', /binary or meta/],
    ['memcached://h?protocol=meta&protocol=meta', /protocol once/],
    ['memcached://h?ca=x', /only the parameters protocol$/m],
    ['memcacheds://h?cert=x', /cert and key/],
    ['memcacheds://h?protocol=binary', /no TLS/],
    ['memcacheds://h?rejectUnauthorized=false', /only the parameters protocol, ca, cert, key, servername/],
    ['embedded://h', /with a port/],
    ['embedded://user:pass@h:1', /no login/],
    ['memory://somewhere', /nothing after it/],
    ['http://h:6379', /redis:\/\/.*memcached:\/\/, memcacheds:\/\/, embedded:\/\/ and memory:\/\//],
    ['n1:redis+other://h:6379', /redis:\/\/.*memcached:\/\/, memcacheds:\/\/, embedded:\/\/ and memory:\/\//],
  ])('is refused when it is %j', (text, expected) => {
    expect(() => parseNodeAddress(text)).toThrow(ConfigError)
    expect(() => parseNodeAddress(text)).toThrow(expected)
  })
})

describe('a list of nodes', () => {
  it.each([
    'n1:memcached://h1:11211,n2:memory://',
    'n1:h1:11211 n2:memory://',
    ' n1:h1:11211 ,\n n2:memory:// ',
    ['n1:h1:11211', 'n2:memory://'],
    [
      { id: 'n1', url: 'memcached://h1' },
      { id: 'n2', url: 'memory://' },
    ],
    [{ id: 'n1', url: 'h1:11211' }, 'n2:memory://'],
  ])('can be written as %j', (value) => {
    expect(nodes(value).map(({ id, label }) => [id, label])).toEqual([
      ['n1', 'memcached://h1:11211'],
      ['n2', 'memory://'],
    ])
  })

  it('may be a single node without id', () => {
    expect(nodes('localhost:11211')).toMatchObject([{ id: undefined }])
    expect(nodes([{ url: 'memory://' }])).toMatchObject([{ id: undefined }])
  })

  it('needs ids for several nodes, and different ones', () => {
    expect(problems('h1:11211,n2:h2:11211')).toMatchObject([{ path: 'nodes[0]', value: 'h1:11211' }])
    expect(problems('n1:h1:11211,n1:h2:11211')).toMatchObject([{ path: 'nodes[1]', expected: /n1/ }])
  })

  it('reports every problem with its place', () => {
    const found = problems([{ id: 'n1', url: 'http://h' }, 'nonsense', { id: 7, url: 'memory://' }, 42])
    expect(found.map(({ path }) => path)).toEqual(['nodes[0].url', 'nodes[1]', 'nodes[2].url', 'nodes[3]'])
  })

  it.each([[''], [' , '], [[]], [undefined], [null], [7], [{}]])('is refused when it is %j', (value) => {
    expect(problems(value)).toMatchObject([{ path: 'nodes' }])
  })

  it('refuses keys that it does not know', () => {
    expect(problems([{ id: 'n1', url: 'memory://', weight: 3 }])).toMatchObject([{ path: 'nodes[0].weight' }])
  })

  it('never shows credentials, not even when they break the text apart', () => {
    const texts = [
      'n1:memcached://user:secret@h:port',
      'memcached://user:secret@h/path',
      'memcached://user:sec ret@h',
      'memcached://user:sec,ret@h:x',
      'memcached://user:sec@ret@h',
      'memcached://user:sec/ret@h',
      'n1:memcached://user:1234 n1:secret@h',
      'http://user:secret@h',
      'redis://user:secret@h/name',
      'redis+sentinel://user:secret@h1,h2',
      'redis+sentinel://h1,h2/name?sentinelPassword=secret&other=user',
      'redis+sentinel://h1/name?sentinelPassword=sec ret@',
      'redis+cluster://user:sec/ret@h',
    ]
    for (const text of texts) {
      for (const value of [text, [text], [{ id: 'n1', url: text }]]) {
        expect(JSON.stringify(problems(value))).not.toMatch(/sec|ret@|1234|user/)
      }
    }
  })

  it('never throws, whatever it is given', () => {
    const piece = fc.constantFrom(
      'n1:',
      'memcached://',
      'memory://',
      'redis://',
      'rediss+sentinel://',
      'redis+cluster://',
      '/name',
      '?ca=',
      '[::1]',
      ':11211',
      '@',
      '%',
      ',',
      ' ',
      'h',
      'a:b@',
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(piece, fc.string({ maxLength: 3 }))).map((parts) => parts.join('')),
    )
    const item = fc.oneof(text, fc.record({ id: fc.anything(), url: fc.oneof(text, fc.anything()) }), fc.anything())
    fc.assert(
      fc.property(fc.oneof(text, fc.array(item), fc.anything()), (value) => {
        const result = parseNodeList(value, 'nodes')
        expect(result.nodes.length === 0).toBe(result.problems.length > 0)
      }),
      { numRuns: 2000 },
    )
  })

  it('reads back every address that can be written', () => {
    const id = fc.stringMatching(/^[A-Za-z0-9_]{1,12}$/)
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().map((address) => `[${address}]`),
    )
    const credential = fc.string({ minLength: 1, unit: 'grapheme' })
    const login = fc.option(fc.tuple(credential, credential), { nil: undefined })
    const port = fc.integer({ min: 1, max: 65535 })
    fc.assert(
      fc.property(id, host, port, login, (id, host, port, login) => {
        const prefix = login === undefined ? '' : `${login.map(encodeURIComponent).join(':')}@`
        const [node] = nodes(`${id}:memcached://${prefix}${host}:${port}`)
        expect(node).toEqual({
          id,
          scheme: 'memcached',
          host: host.replace(/^\[|\]$/g, ''),
          port,
          username: login?.[0],
          password: login?.[1],
          label: `memcached://${host}:${port}`,
        })
      }),
    )
  })
})
