import { type BalancedServer, type BalancerPlan, escapeName, hasOwnHealthPort, indent } from './balancer-plan.js'

/**
 * A static bootstrap file. One cluster a server, with the others at a lower priority: an Envoy subset that is chosen by
 * metadata does not fall back to other hosts while its only host is unhealthy, and priorities do.
 */
export function envoyConfiguration(plan: BalancerPlan): string {
  const { servers, sticky, listen, tls } = plan
  const clusters = [cluster('holdfast_any', plan, [servers])]
  if (sticky) {
    for (const [index, first] of servers.entries()) {
      const others = servers.filter((server) => server !== first)
      clusters.push(cluster(clusterOf(index), plan, others.length === 0 ? [[first]] : [[first], others]))
    }
  }
  return `# Not run by the tests of Holdfast. Check it: envoy --mode validate -c <this file>

static_resources:
  listeners:
    - name: holdfast
      address:
        socket_address: { address: ${listen.host === '*' ? '0.0.0.0' : bare(listen.host)}, port_value: ${listen.port} }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: holdfast
                # Envoy is the first that the visitor meets: it writes X-Forwarded-For and X-Forwarded-Proto.
                use_remote_address: true
                upgrade_configs:
                  - upgrade_type: websocket
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
                route_config:
                  virtual_hosts:
                    - name: holdfast
                      domains: ["*"]
                      routes:
${indent(routes(plan), 24)}${tls === undefined ? '' : indent(transport(tls), 10)}  clusters:
${indent(clusters.join(''), 4)}`
}

function routes({ cookieName, servers, sticky }: BalancerPlan): string {
  const rule = (match: string, name: string): string => `- match:
    prefix: /
${match}  route:
    cluster: ${name}
    timeout: 60s
    retry_policy:
      # Refused connections: nothing has been sent, so another server gets the request.
      retry_on: connect-failure
      num_retries: 2
      retry_priority:
        name: envoy.retry_priorities.previous_priorities
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig
          update_frequency: 1
`
  if (!sticky) return rule('', 'holdfast_any')
  const name = escapeName(cookieName)
  const sticking = servers.map(({ route }, index) =>
    rule(
      `    # What follows the dot in the cookie names the server that has the session.
    headers:
      - name: cookie
        string_match:
          safe_regex:
            regex: '(?:.*;)?\\s*${name}=[A-Za-z0-9_-]+\\.${route}(?:;.*)?'
`,
      clusterOf(index),
    ),
  )
  return [...sticking, rule('', 'holdfast_any')].join('')
}

/** Servers by priority: those of the second get requests only while none of the first is well. */
function cluster(
  name: string,
  { healthPath }: BalancerPlan,
  priorities: readonly (readonly BalancedServer[])[],
): string {
  return `- name: ${name}
  type: STRICT_DNS
  connect_timeout: 2s
  lb_policy: LEAST_REQUEST
  common_lb_config:
    # A server that is down gets nothing, also when it is one of few.
    healthy_panic_threshold: { value: 0 }
  typed_extension_protocol_options:
    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
      "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
      explicit_http_config: { http_protocol_options: {} }
      common_http_protocol_options:
        # A connection to a server serves one request: a server may close a kept one at the moment when a POST goes out on it.
        max_requests_per_connection: 1
  health_checks:
    - timeout: 1s
      interval: 2s
      unhealthy_threshold: 2
      healthy_threshold: 1
${healthPath === undefined ? '      tcp_health_check: {}\n' : `      # 503 from the moment that a server drains: it gets no new requests.\n      http_health_check: { path: ${healthPath} }\n`}  load_assignment:
    cluster_name: ${name}
    endpoints:
${priorities.map((servers, priority) => indent(endpoints(servers, priority), 6)).join('')}`
}

function endpoints(servers: readonly BalancedServer[], priority: number): string {
  return `- priority: ${priority}
  lb_endpoints:
${servers.map((server) => indent(endpoint(server), 4)).join('')}`
}

function endpoint(server: BalancedServer): string {
  const check = hasOwnHealthPort(server) ? `\n    health_check_config: { port_value: ${server.healthPort} }` : ''
  return `- endpoint: # ${server.route}
    address:
      socket_address: { address: ${bare(server.host)}, port_value: ${server.port} }${check}
`
}

function transport({ certificate, key }: { certificate: string; key: string }): string {
  return `transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
    common_tls_context:
      tls_certificates:
        - certificate_chain: { filename: ${certificate} }
          private_key: { filename: ${key} }
`
}

function clusterOf(index: number): string {
  return `holdfast_${index + 1}`
}

/* In quotes: YAML takes the colons of an IPv6 address for its own. */
function bare(host: string): string {
  return `"${host.replace(/^\[|\]$/g, '')}"`
}
