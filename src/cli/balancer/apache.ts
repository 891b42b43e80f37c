import { addressOf, type BalancedServer, type BalancerPlan, hasOwnHealthPort } from './balancer-plan.js'

/** A virtual host, for Apache 2.4.47 and later. */
export function apacheConfiguration(plan: BalancerPlan): string {
  const { listen, servers, tls } = plan
  const modules = ['proxy', 'proxy_http', 'proxy_balancer', 'lbmethod_bybusyness', 'slotmem_shm', 'headers']
  if (isChecked(plan)) modules.push('proxy_hcheck')
  if (tls !== undefined) modules.push('ssl')
  return `# A site of Apache. It needs: a2enmod ${modules.join(' ')}
# and, in ports.conf: Listen ${listen.host === '*' ? listen.port : addressOf(listen)}. Check it: apachectl configtest
${isChecked(plan) ? '' : unchecked(plan)}
<VirtualHost ${addressOf(listen)}>
${tls === undefined ? '' : secure(tls)}    ProxyRequests Off
    ProxyPreserveHost On
    # Tells the application whether cookies are secure: app.set('trust proxy', 1).
    RequestHeader set X-Forwarded-Proto ${tls === undefined ? 'http' : 'https'}

    <Proxy "balancer://holdfast">
        # disablereuse: a connection to a server serves one request. A server may close a kept one at the moment when a
        # POST goes out on it, and nobody may send a POST twice.
        # retry: a server that took no connection is tried again after so many seconds.
${servers.map((server) => member(plan, server)).join('')}        ProxySet lbmethod=bybusyness
${plan.sticky ? stickiness(plan) : ''}    </Proxy>

${refusal(plan)}    ProxyPass "/" "balancer://holdfast/"
</VirtualHost>
`
}

/** Apache asks a server on the port that it sends requests to: another one is out of its reach. */
function isChecked({ servers, healthPath }: BalancerPlan): boolean {
  return healthPath !== undefined && !servers.some(hasOwnHealthPort)
}

function unchecked({ healthPath }: BalancerPlan): string {
  const why =
    healthPath === undefined
      ? '# Nobody is asked whether a server is ready (--health):'
      : `# Apache can't ask ${healthPath} on another port than the application's (--health takes a path of the application):`
  return `
${why}
# it notices when one takes no connections. So a server that goes away stops listening before its sessions close.
# docs/balancers.md has the lines.
`
}

function secure({ certificate, key }: { certificate: string; key: string }): string {
  return `    SSLEngine on
    SSLCertificateFile "${certificate}"
    SSLCertificateKeyFile "${key}"
`
}

function member(plan: BalancerPlan, server: BalancedServer): string {
  const route = plan.sticky ? ` route=${server.route}` : ''
  const check = isChecked(plan) ? ` hcmethod=GET hcuri=${plan.healthPath} hcinterval=2 hcpasses=1 hcfails=2` : ''
  const options = `connectiontimeout=2 timeout=60 retry=2 disablereuse=On upgrade=websocket`
  return `        BalancerMember "http://${addressOf(server)}"${route} ${options}${check}\n`
}

/* Without a second name Apache would take ?sid=… in a URL for the id. */
function stickiness({ cookieName }: BalancerPlan): string {
  return `        # What follows the dot in the cookie names the server that has the session. The name behind the bar is that of
        # a parameter in URLs, which nobody is to use.
        ProxySet stickysession=${cookieName}|no-id-in-urls
`
}

function refusal({ servers, healthPath }: BalancerPlan): string {
  if (healthPath === undefined || servers.every(hasOwnHealthPort)) return ''
  return `    # For balancers alone.
    ProxyPass "${healthPath}" "!"
`
}
