import { describe, expect, it } from 'vitest'
import { balancerPlan, parseBalancerArguments } from '../../../src/cli/balancer/balancer-options.js'
import { parseSettings } from '../../../src/config/parse-settings.js'

const secret = 'a secret for tests only'

function plan(args: string[], options?: object) {
  const settings = options === undefined ? undefined : parseSettings({ secret, ...options }, 'the test')
  return balancerPlan(parseBalancerArguments(['nginx', ...args]), settings, true)
}

describe('the arguments of holdfast balancer', () => {
  it('are servers with their routes, and the rest has defaults', () => {
    expect(plan(['app1=10.0.0.1:3000', 'web-7f9c-x2=app.example:80', 'c_3=[::1]:3000'])).toEqual({
      cookieName: 'sid',
      sticky: true,
      servers: [
        { route: 'app1', host: '10.0.0.1', port: 3000, healthPort: 3000 },
        { route: 'web-7f9c-x2', host: 'app.example', port: 80, healthPort: 80 },
        { route: 'c_3', host: '[::1]', port: 3000, healthPort: 3000 },
      ],
      healthPath: undefined,
      listen: { host: '*', port: 80 },
      tls: undefined,
      idleSeconds: 1800,
      cookieSeconds: undefined,
    })
  })

  it('take the cookie, the mode, the times and the port of /readyz from a configuration', () => {
    const options = {
      name: '__Host-shop',
      mode: 'non-sticky',
      idleTimeout: '2h',
      cookie: { maxAge: '7d', secure: true },
      admin: { listen: '0.0.0.0:9400', auth: { users: [{ name: 'a', role: 'viewer', password: 'long enough 1' }] } },
    }
    expect(plan(['a=h:1'], options)).toMatchObject({
      cookieName: '__Host-shop',
      sticky: false,
      servers: [{ healthPort: 9400 }],
      healthPath: '/readyz',
      idleSeconds: 7200,
      cookieSeconds: 604_800,
    })
  })

  it('come before the configuration', () => {
    const args = ['a=h:1', '--name', 'other', '--mode', 'sticky', '--health', 'none']
    expect(plan(args, { name: 'shop', mode: 'non-sticky' })).toMatchObject({
      cookieName: 'other',
      sticky: true,
      healthPath: undefined,
    })
  })

  it('ask nobody for an administration that listens on loopback', () => {
    expect(plan(['a=h:1'], { admin: { listen: '127.0.0.1:9400' } })).toMatchObject({ healthPath: undefined })
  })

  it.each([
    { health: '9400', path: '/readyz', port: 9400 },
    { health: '/holdfast/readyz', path: '/holdfast/readyz', port: 1 },
    { health: '9400/ready', path: '/ready', port: 9400 },
  ])('say where /readyz is with --health $health', ({ health, path, port }) => {
    expect(plan(['a=h:1', '--health', health])).toMatchObject({ healthPath: path, servers: [{ healthPort: port }] })
  })

  it('may give each server its own port for /readyz', () => {
    expect(plan(['a=h:1,2', 'b=h:3,4'])).toMatchObject({
      healthPath: '/readyz',
      servers: [{ healthPort: 2 }, { healthPort: 4 }],
    })
  })

  it('make TLS of a certificate, on port 443', () => {
    expect(plan(['a=h:1', '--certificate', '/etc/ssl/shop.pem'])).toMatchObject({
      listen: { port: 443 },
      tls: { certificate: '/etc/ssl/shop.pem', key: '/etc/ssl/shop.pem' },
    })
  })

  it.each([
    { args: [], says: 'no servers: expected at least one, such as app1=10.0.0.1:3000' },
    { args: ['a=h'], says: 'server "a=h": expected <route>=<host>:<port>' },
    { args: ['h:1'], says: 'server "h:1": expected its route, too' },
    { args: ['a.b=h:1'], says: 'server "a.b=h:1": expected <route>' },
    { args: ['=h:1'], says: 'server "=h:1": expected <route>' },
    { args: ['a=h:99999'], says: 'server "a=h:99999": expected' },
    { args: ['a=h:0'], says: 'server "a=h:0": expected' },
    { args: ['a=h:1,70000'], says: 'server "a=h:1,70000": expected' },
    { args: ['a=h;drop:1'], says: 'server "a=h;drop:1": expected' },
    { args: ['a=h\nb:1'], says: 'server "a=h\\nb:1": expected' },
    { args: ['a=h:1', 'a=i:1'], says: 'expected each route once, got a twice' },
    { args: ['a=h:1', 'b=h:1'], says: 'expected each address once, got h:1 twice' },
    { args: ['a=h:1', '--mode', 'loose'], says: '--mode: expected sticky or non-sticky, got "loose"' },
    { args: ['a=h:1', '--name', 'a;b'], says: '--name: expected a cookie name' },
    { args: ['a=h:1', '--name', ''], says: '--name: expected a cookie name' },
    { args: ['a=h:1', '--health', '/a b'], says: '--health: expected a port such as 9400' },
    { args: ['a=h:1', '--health', ''], says: '--health: expected a port such as 9400' },
    { args: ['a=h:1', '--listen', 'x'], says: '--listen: expected a port' },
    { args: ['a=h:1', '--listen', '1.2.3.4:0'], says: '--listen: expected a port' },
    { args: ['a=h:1', '--key', 'k.pem'], says: '--key: expected together with --certificate' },
    { args: ['a=h:1', '--certificate', 'a b'], says: '--certificate: expected a path' },
    { args: ['a=h:1', '--unknown'], says: "'--unknown'" },
  ])('are refused with the place and what was expected: $args', ({ args, says }) => {
    expect(() => plan(args)).toThrow(says)
  })

  it('are refused for a cookie name that not every balancer can read, also from a configuration', () => {
    expect(() => plan(['a=h:1'], { name: 'a$b' })).toThrow('--name: expected a cookie name')
  })
})
