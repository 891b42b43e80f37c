import { addressOf, type BalancerPlan, hasOwnHealthPort } from './balancer-plan.js'

/** A file for Traefik's file provider, version 3. Traefik can't read our cookie, so it sets one of its own. */
export function traefikConfiguration(plan: BalancerPlan): string {
  const { servers, sticky, healthPath, tls, listen } = plan
  return `# Not run by the tests of Holdfast.
# A file for Traefik 3: --providers.file.filename=<this file> --entryPoints.web.address=${listen.host === '*' ? '' : listen.host}:${listen.port}

http:
  routers:
    holdfast:
      entryPoints: [web]
      rule: PathPrefix(\`/\`)
      service: holdfast
${tls === undefined ? '' : '      tls: {}\n'}  services:
    holdfast:
      loadBalancer:
        servers:
${servers.map((server) => `          - url: http://${addressOf(server)}\n`).join('')}        passHostHeader: true
${sticky ? stickiness(plan) : ''}${healthPath === undefined ? '' : check(plan, healthPath)}        serversTransport: holdfast
  serversTransports:
    holdfast:
      # A connection to a server serves one request: a server may close a kept one at the moment when a POST goes out on it.
      maxIdleConnsPerHost: -1
      forwardingTimeouts:
        dialTimeout: 2s
${tls === undefined ? '' : certificates(tls)}`
}

function stickiness({ cookieSeconds, tls }: BalancerPlan): string {
  return `        sticky:
          # Of Traefik: it names the server where the visitor was last. It has to live as long as the session's own cookie:
          # ${cookieSeconds === undefined ? 'both end when the browser closes.' : `${cookieSeconds} seconds.`}
          cookie:
            name: holdfast_server
            httpOnly: true
            sameSite: lax
            secure: ${tls !== undefined}
${cookieSeconds === undefined ? '' : `            maxAge: ${cookieSeconds}\n`}`
}

function check({ servers }: BalancerPlan, path: string): string {
  const [first] = servers
  const port = first !== undefined && hasOwnHealthPort(first) ? `          port: ${first.healthPort}\n` : ''
  return `        # 503 from the moment that a server drains: it gets no new requests.
        healthCheck:
          path: ${path}
${port}          interval: 2s
          timeout: 1s
`
}

function certificates({ certificate, key }: { certificate: string; key: string }): string {
  return `
tls:
  certificates:
    - certFile: ${certificate}
      keyFile: ${key}
`
}
