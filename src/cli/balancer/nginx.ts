import { addressOf, type BalancedServer, type BalancerPlan, escapeName, hasOwnHealthPort } from './balancer-plan.js'

/** Allows one failure, and looks again after two seconds: a refused connection costs little. */
const limits = 'max_fails=1 fail_timeout=2s'

/** A file for nginx's folder `conf.d`, which is read within `http { }`. */
export function nginxConfiguration(plan: BalancerPlan): string {
  const { servers, sticky } = plan
  return `# A file for /etc/nginx/conf.d/. Check it: nginx -t

# nginx without its commercial part asks no server whether it is ready. A server that drains answers with the header
# X-Accel-Redirect, and nginx gives the request to another one. docs/balancers.md has the lines for the application.

${sticky ? routing(plan) : ''}upstream holdfast_any {
    zone holdfast_any 64k;
    least_conn;
${servers.map((server) => member(server, '')).join('')}}
${sticky ? servers.map((_server, index) => upstream(servers, index)).join('') : ''}${servers.length === 1 ? '' : servers.map((_server, index) => withoutOne(servers, index)).join('')}
# WebSockets need these two headers, other requests a connection of their own.
map $http_upgrade $holdfast_connection {
    default upgrade;
    ""      close;
}

server {
${listen(plan)}
${refusal(plan)}    proxy_http_version 1.1;
    # A connection to a server serves one request. A server may close a kept one at the moment when a POST goes out on
    # it, and nobody may send a POST twice.
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $holdfast_connection;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    # Tells the application whether cookies are secure: app.set('trust proxy', 1).
    proxy_set_header X-Forwarded-Proto $scheme;
    # Tells a server that drains how it gives requests to others.
    proxy_set_header X-Balancer nginx;
    proxy_connect_timeout 2s;
    proxy_read_timeout 60s;
    # Refused connections: another server gets the request, whatever it is. A server that dies before it answers: all
    # but POST, LOCK and PATCH are sent to another one.
    proxy_next_upstream error timeout;
    proxy_next_upstream_tries 3;

    location / {
        proxy_pass http://${sticky ? '$holdfast_upstream' : 'holdfast_any'};
    }
${servers.length === 1 ? '' : servers.map((server, index) => elsewhere(server, index)).join('')}}
`
}

/* $cookie_name can't be written for a name with a dash, as __Host-sid is; the header can be read for every name. */
function routing({ cookieName, servers }: BalancerPlan): string {
  const name = escapeName(cookieName)
  const rules = servers.map(
    ({ route }, index) => `    "~(?:^|;\\s*)${name}=[A-Za-z0-9_-]+\\.${route}(?:;|$)" ${groupOf(index)};\n`,
  )
  return `# What follows the dot in the cookie names the server that has the session.
map $http_cookie $holdfast_upstream {
    default holdfast_any;
${rules.join('')}}

`
}

/** All servers, of which the others get requests only while the first is down. */
function upstream(servers: readonly BalancedServer[], index: number): string {
  const first = servers[index] as BalancedServer
  const others = servers.filter((_server, other) => other !== index)
  return `
# ${first.route}
upstream ${groupOf(index)} {
    zone ${groupOf(index)} 64k;
${member(first, '')}${others.map((server) => member(server, ' backup')).join('')}}
`
}

/** All servers but one, for the requests that this one has no time for. */
function withoutOne(servers: readonly BalancedServer[], index: number): string {
  const others = servers.filter((_server, other) => other !== index)
  return `
upstream ${groupOf(index)}_drains {
    zone ${groupOf(index)}_drains 64k;
    least_conn;
${others.map((server) => member(server, '')).join('')}}
`
}

function elsewhere({ route }: BalancedServer, index: number): string {
  return `
    location @holdfast_without_${route} {
        proxy_pass http://${groupOf(index)}_drains;
    }
`
}

/* A number, because routes may differ in case only, and names of upstreams may not. */
function groupOf(index: number): string {
  return `holdfast_${index + 1}`
}

function member(server: BalancedServer, role: string): string {
  return `    server ${addressOf(server)} ${limits}${role};\n`
}

function listen({ listen: { host, port }, tls }: BalancerPlan): string {
  const address = host === '*' ? `${port}` : `${host}:${port}`
  if (tls === undefined) return `    listen ${address};\n`
  return `    listen ${address} ssl;
    ssl_certificate ${tls.certificate};
    ssl_certificate_key ${tls.key};
`
}

/** Where the application's own port answers the check of others, visitors are not to see it. */
function refusal({ servers, healthPath }: BalancerPlan): string {
  if (healthPath === undefined || servers.every(hasOwnHealthPort)) return ''
  return `    # For balancers alone.
    location = ${healthPath} {
        return 404;
    }

`
}
