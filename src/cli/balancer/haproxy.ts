import { addressOf, type BalancedServer, type BalancerPlan, hasOwnHealthPort } from './balancer-plan.js'

/** A whole `haproxy.cfg`, for HAProxy 2.4 and later. */
export function haproxyConfiguration(plan: BalancerPlan): string {
  const { sticky, servers, healthPath } = plan
  return `# Check it: haproxy -c -f <this file>

defaults
    mode http
    timeout connect 2s
    timeout http-request 10s
    timeout queue 10s
    timeout client 60s
    timeout server 60s
    # WebSockets, once they are open.
    timeout tunnel 1h
    option forwardfor
    # A connection to a server serves one request. A server may close a kept one at the moment when a POST goes out on
    # it, and nobody may send a POST twice.
    option http-server-close
    # Refused connections: nothing has been sent, so another server gets the request, whatever it is.
    option redispatch 1
    retries 3
    # A server that dies before it answers: GET and HEAD are sent to another one.
    retry-on conn-failure empty-response

${servers.some(isNamed) ? resolvers : ''}frontend holdfast
    bind ${bind(plan)}
    http-request disable-l7-retry unless METH_GET
    # Tells the application whether cookies are secure: app.set('trust proxy', 1).
    http-request set-header X-Forwarded-Proto ${plan.tls === undefined ? 'http' : 'https'}
${refusal(plan)}    default_backend holdfast_servers

backend holdfast_servers
    balance leastconn
${healthPath === undefined ? '' : check(healthPath)}${sticky ? routing(plan) : ''}${servers.map((server) => serverLine(server)).join('')}`
}

/* A name may lead elsewhere when a container is started anew. */
const resolvers = `resolvers holdfast
    parse-resolv-conf
    hold valid 5s

`

function isNamed({ host }: BalancedServer): boolean {
  return !host.startsWith('[') && !/^[0-9.]+$/.test(host)
}

function bind({ listen, tls }: BalancerPlan): string {
  return `${addressOf(listen)}${tls === undefined ? '' : ` ssl crt ${tls.certificate} alpn h2,http/1.1`}`
}

/** Where the application's own port answers the check, visitors are not to see it. */
function refusal({ servers, healthPath }: BalancerPlan): string {
  if (healthPath === undefined || servers.every(hasOwnHealthPort)) return ''
  return `    # For balancers alone.
    http-request deny deny_status 404 if { path ${healthPath} }
`
}

function check(path: string): string {
  return `    # 503 from the moment that a server drains: it gets no new requests.
    option httpchk GET ${path}
    http-check expect status 200
`
}

function routing({ cookieName, servers }: BalancerPlan): string {
  const rules = servers.map(({ route }) => `    use-server ${route} if { req.cook(${cookieName}) -m end .${route} }\n`)
  return `    # What follows the dot in the cookie names the server that has the session. When that one is down, "balance" chooses.
${rules.join('')}`
}

/** Without a path to ask for, the check is whether the server takes a connection. */
function serverLine(server: BalancedServer): string {
  const port = hasOwnHealthPort(server) ? ` port ${server.healthPort}` : ''
  const name = isNamed(server) ? ' resolvers holdfast init-addr last,libc,none' : ''
  return `    server ${server.route} ${addressOf(server)} check${port} inter 2s fall 2 rise 1${name}\n`
}
