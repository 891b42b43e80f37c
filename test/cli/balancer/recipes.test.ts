import { beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { balancer } from '../../../src/cli/balancer/balancer-command.js'
import type { Terminal } from '../../../src/cli/terminal.js'

describe('the recipes of holdfast balancer', () => {
  let stdout: string
  let stderr: string

  const io: Terminal = {
    stdout: {
      write(text) {
        stdout += text
      },
    },
    stderr: {
      write(text) {
        stderr += text
      },
    },
  }

  beforeEach(() => {
    stdout = ''
    stderr = ''
  })

  async function print(...args: string[]): Promise<Record<string, unknown>> {
    expect(await balancer(args, io)).toBe(0)
    expect(stderr).toBe('')
    expect(stdout).toContain('# Not run by the tests of Holdfast.')
    const cloudFormation = { tag: '!Ref', resolve: (name: string) => ({ Ref: name }) }
    return parse(stdout, { strict: true, uniqueKeys: true, customTags: [cloudFormation] })
  }

  const servers = ['app1=10.0.0.1:3000', 'my-app1=10.0.0.2:3001']

  it('have a route of Envoy for each server, which its cookie alone takes', async () => {
    const printed = await print('envoy', ...servers, 'c=[::1]:3002', '--name', '__Host-s.id', '--health', '9400')
    const resources = printed.static_resources as {
      listeners: { filter_chains: { filters: { typed_config: { route_config: RouteConfig } }[] }[] }[]
      clusters: EnvoyCluster[]
    }
    const [filter] = resources.listeners[0]?.filter_chains[0]?.filters ?? []
    const routes = filter?.typed_config.route_config.virtual_hosts[0]?.routes ?? []
    const chosen = (cookie: string): string | undefined =>
      routes.find(({ match }) => {
        const regex = match.headers?.[0]?.string_match.safe_regex.regex
        /* Envoy matches the whole value. */
        return regex === undefined || new RegExp(`^(?:${regex})$`).test(cookie)
      })?.route.cluster
    expect(chosen('__Host-s.id=abc-n1.app1')).toBe('holdfast_1')
    expect(chosen('a=b; __Host-s.id=abc-n-1.my-app1; c=d')).toBe('holdfast_2')
    expect(chosen('a=b.app1; __Host-s.id=abc.c')).toBe('holdfast_3')
    for (const cookie of ['', '__Host-sxid=abc.app1', 'x__Host-s.id=abc.app1', '__Host-s.id=abc.app12']) {
      expect(chosen(cookie)).toBe('holdfast_any')
    }
    const cluster = resources.clusters.find(({ name }) => name === 'holdfast_2')
    const addresses = cluster?.load_assignment.endpoints.map(({ priority, lb_endpoints }) => [
      priority,
      lb_endpoints.map(({ endpoint }) => endpoint.address.socket_address.address),
    ])
    expect(addresses).toEqual([
      [0, ['10.0.0.2']],
      [1, ['10.0.0.1', '::1']],
    ])
    expect(cluster?.load_assignment.endpoints[0]?.lb_endpoints[0]?.endpoint.health_check_config.port_value).toBe(9400)
  })

  it('have servers, a cookie of its own and a check for Traefik', async () => {
    const printed = await print('traefik', ...servers, '--health', '9400')
    expect(printed).toMatchObject({
      http: {
        routers: { holdfast: { service: 'holdfast' } },
        services: {
          holdfast: {
            loadBalancer: {
              servers: [{ url: 'http://10.0.0.1:3000' }, { url: 'http://10.0.0.2:3001' }],
              sticky: { cookie: { name: 'holdfast_server', secure: false } },
              healthCheck: { path: '/readyz', port: 9400 },
            },
          },
        },
      },
    })
  })

  it('have a cookie of the gateway for the Gateway API', async () => {
    const printed = await print('gateway-api', 'web:80')
    expect(printed).toMatchObject({
      kind: 'HTTPRoute',
      spec: { rules: [{ backendRefs: [{ name: 'web', port: 80 }], sessionPersistence: { type: 'Cookie' } }] },
    })
  })

  it('have targets, and a cookie that lasts as long as a session may be idle, for the ALB', async () => {
    const { Resources } = await print('alb', ...servers, '--health', '/readyz')
    const properties = (Resources as Record<string, { Properties: Record<string, unknown> }>).HoldfastServers
      ?.Properties
    expect(properties).toMatchObject({
      Targets: [
        { Id: '10.0.0.1', Port: 3000 },
        { Id: '10.0.0.2', Port: 3001 },
      ],
      HealthCheckPath: '/readyz',
      HealthCheckPort: 'traffic-port',
    })
    expect(properties?.TargetGroupAttributes).toContainEqual({
      Key: 'stickiness.lb_cookie.duration_seconds',
      Value: '1800',
    })
  })

  it.each(['envoy', 'traefik', 'gateway-api', 'alb'])('of %s stick to nothing in non-sticky mode', async (kind) => {
    await print(kind, 'web:80', '--mode', 'non-sticky', '--certificate', '/etc/ssl/shop.pem')
    expect(stdout).not.toMatch(/sticky|stickiness|sessionPersistence|safe_regex/)
  })

  it.each([
    { args: [], says: 'which balancer? expected nginx, haproxy, apache, traefik, envoy, gateway-api, alb' },
    { args: ['varnish'], says: 'there is no configuration for "varnish"; expected nginx' },
    { args: ['toString', 'a=h:1'], says: 'there is no configuration for "toString"' },
    { args: ['envoy', '10.0.0.1:3000'], says: 'expected its route, too' },
    { args: ['gateway-api', '10.0.0.1:80'], says: 'gateway-api: expected names of Services and their ports' },
    { args: ['traefik', 'a:1,2', 'b:1,3'], says: 'traefik: it asks all servers for /readyz on one port' },
    { args: ['alb', 'a:1,2', 'b:1'], says: 'got 2, its own' },
  ])('are refused with what was expected: $args', async ({ args, says }) => {
    await expect(print(...args)).rejects.toThrow(says)
    expect(stdout).toBe('')
  })

  it('tell in one error what is wrong with a configuration', async () => {
    expect(await balancer(['nginx', 'a=h:1', '--config', 'nowhere.yaml'], io)).toBe(1)
    expect(stderr).toContain('nowhere.yaml')
    expect(stderr).toContain('a file that can be read')
  })
})

interface RouteConfig {
  virtual_hosts: {
    routes: {
      match: { headers?: { string_match: { safe_regex: { regex: string } } }[] }
      route: { cluster: string }
    }[]
  }[]
}

interface EnvoyCluster {
  name: string
  load_assignment: {
    endpoints: {
      priority: number
      lb_endpoints: {
        endpoint: {
          address: { socket_address: { address: string } }
          health_check_config: { port_value: number }
        }
      }[]
    }[]
  }
}
