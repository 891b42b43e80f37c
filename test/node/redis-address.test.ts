import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../src/errors.js'
import { parseNodeAddress, parseNodeList } from '../../src/node/address/node-address.js'

const plain = {
  id: undefined,
  scheme: 'redis',
  topology: 'single',
  masterName: undefined,
  database: 0,
  username: undefined,
  password: undefined,
  sentinelUsername: undefined,
  sentinelPassword: undefined,
  tls: undefined,
}

describe('an address of Redis', () => {
  it('is a host, with 6379 as the port and 0 as the database unless others are given', () => {
    const host = { host: 'redis.example', port: 6379 }
    const label = 'redis://redis.example:6379'
    expect(parseNodeAddress('redis://redis.example')).toEqual({ ...plain, ...host, hosts: [host], label })
    expect(parseNodeAddress('n1:REDIS://[::1]:7000/3')).toMatchObject({
      id: 'n1',
      host: '::1',
      port: 7000,
      database: 3,
      label: 'redis://[::1]:7000/3',
    })
  })

  it('can carry percent-encoded credentials, or a password alone, which the label does not show', () => {
    const address = parseNodeAddress('redis://us%40er:p%3Aa%2Fss@h:1')
    expect(address).toMatchObject({ username: 'us@er', password: 'p:a/ss', label: 'redis://h:1' })
    expect(parseNodeAddress('redis://:pw@h')).toMatchObject({ username: undefined, password: 'pw' })
  })

  it('uses TLS with rediss, and takes files and names from its parameters', () => {
    expect(parseNodeAddress('rediss://h').label).toBe('rediss://h:6379')
    expect(parseNodeAddress('rediss://h/1?ca=%2Fca.pem&cert=c&key=k&servername=redis.example')).toMatchObject({
      database: 1,
      tls: { ca: '/ca.pem', cert: 'c', key: 'k', servername: 'redis.example' },
      label: 'rediss://h:6379/1',
    })
  })

  it('names Sentinels and the group', () => {
    const text = 'redis+sentinel://app:pw@h1:1,h2;[::1]:3/my-group/2?sentinelUsername=s&sentinelPassword=p%26w'
    expect(parseNodeAddress(text)).toMatchObject({
      topology: 'sentinel',
      hosts: [
        { host: 'h1', port: 1 },
        { host: 'h2', port: 26379 },
        { host: '::1', port: 3 },
      ],
      masterName: 'my-group',
      database: 2,
      username: 'app',
      sentinelUsername: 's',
      sentinelPassword: 'p&w',
      tls: undefined,
      label: 'redis+sentinel://h1:1,h2:26379,[::1]:3/my-group/2',
    })
    expect(parseNodeAddress('rediss+sentinel://h/name')).toMatchObject({ topology: 'sentinel', tls: { ca: undefined } })
  })

  it('names some servers of a cluster', () => {
    expect(parseNodeAddress('rediss+cluster://:pw@h1,h2:7/?ca=x')).toMatchObject({
      topology: 'cluster',
      hosts: [
        { host: 'h1', port: 6379 },
        { host: 'h2', port: 7 },
      ],
      tls: { ca: 'x' },
      label: 'rediss+cluster://h1:6379,h2:7',
    })
  })

  it.each([
    ['redis://', /redis:\/\/\[login@\]host/],
    ['redis://h1,h2', /redis:\/\/\[login@\]host/],
    ['redis://h:0', /1 to 65535/],
    ['redis://h/name', /database number/],
    ['redis://h/1/2', /\/database/],
    ['redis://user@h', /user:password or :password/],
    ['redis://user:@h', /user:password or :password/],
    ['redis://user:%zz@h', /percent-encoded/],
    ['redis://h?ca=x', /no parameters/],
    ['rediss://h?sentinelPassword=x', /only the parameters ca, cert, key, servername/],
    ['rediss://h?rejectUnauthorized=false', /only the parameters/],
    ['rediss://h?ca=', /a percent-encoded value for ca/],
    ['rediss://h?ca=a&ca=b', /ca once/],
    ['rediss://h?cert=a', /cert and key/],
    ['redis+sentinel://h', /group's name/],
    ['redis+sentinel://h/a%20b', /group's name/],
    ['redis+sentinel://h/name?sentinelUsername=a', /sentinelPassword beside/],
    ['redis+sentinel://h,/name', /redis\+sentinel/],
    ['redis+cluster://h/3', /no database/],
    ['redis+cluster://h/name', /no database/],
  ])('is refused when it is %j', (text, expected) => {
    expect(() => parseNodeAddress(text)).toThrow(ConfigError)
    expect(() => parseNodeAddress(text)).toThrow(expected)
  })
})

describe('addresses of Redis in a list', () => {
  const labels = (text: string) => parseNodeList(text, 'nodes').nodes.map(({ id, label }) => [id, label])

  it.each([
    'n1:redis+sentinel://h1,h2:1/name,n2:h3:11211,n3:redis://h4',
    'n1:redis+sentinel://h1,h2:1/name n2:h3:11211 n3:redis://h4',
    'n1:redis+sentinel://h1;h2:1/name, n2:memcached://h3, n3:redis://h4',
  ])('stand beside others: %s', (text) => {
    expect(labels(text)).toEqual([
      ['n1', 'redis+sentinel://h1:26379,h2:1/name'],
      ['n2', 'memcached://h3:11211'],
      ['n3', 'redis://h4:6379'],
    ])
  })

  it('keep their hosts apart from further nodes, also with IPv6', () => {
    expect(labels('n1:redis+cluster://[::1]:1,[::1]:2,n2:[::1]:3')).toEqual([
      ['n1', 'redis+cluster://[::1]:1,[::1]:2'],
      ['n2', 'memcached://[::1]:3'],
    ])
  })

  it('read back every address that can be written', () => {
    const host = fc.tuple(
      fc.oneof(
        fc.domain(),
        fc.ipV4(),
        fc.ipV6().map((address) => `[${address}]`),
      ),
      fc.integer({ min: 1, max: 65535 }),
    )
    const hosts = fc.array(host, { minLength: 1, maxLength: 4 })
    const credential = fc.string({ minLength: 1, unit: 'grapheme' })
    const login = fc.option(fc.tuple(fc.option(credential, { nil: undefined }), credential), { nil: undefined })
    const kind = fc.constantFrom('redis', 'rediss', 'redis+sentinel', 'rediss+sentinel', 'redis+cluster')
    const database = fc.integer({ min: 0, max: 15 })
    fc.assert(
      fc.property(kind, hosts, login, database, (scheme, hosts, login, database) => {
        const [topology = 'single'] = scheme.split('+').slice(1)
        const written = (topology === 'single' ? hosts.slice(0, 1) : hosts).map(([name, port]) => `${name}:${port}`)
        const prefix = login === undefined ? '' : `${login.map((part) => encodeURIComponent(part ?? '')).join(':')}@`
        const name = topology === 'sentinel' ? '/the_group' : ''
        const end = topology === 'cluster' || database === 0 ? '' : `/${database}`
        const text = `n1:${scheme}://${prefix}${written.join(',')}${name}${end}`
        const { nodes, problems } = parseNodeList(`${text},n2:memory://`, 'nodes')
        expect(problems).toEqual([])
        expect(nodes).toMatchObject([
          {
            id: 'n1',
            topology,
            username: login?.[0],
            password: login?.[1],
            database: topology === 'cluster' ? 0 : database,
            label: `${scheme}://${written.join(',')}${name}${end}`,
          },
          { id: 'n2' },
        ])
      }),
    )
  })
})
