import type { BalancerPlan } from './balancer-plan.js'

const experimental = `# For Kubernetes' Gateway API, experimental channel: sessionPersistence is not in the standard one (GEP-1619), and not every
# gateway has it.`

const maxCookieSeconds = 31_536_000

/** An HTTPRoute of Kubernetes' Gateway API. The gateway can't read our cookie, so it sets one of its own. */
export function gatewayApiConfiguration(plan: BalancerPlan): string {
  const { servers, sticky } = plan
  return `# Not run by the tests of Holdfast.
${sticky ? experimental : "# For Kubernetes' Gateway API."} The servers are Services here.
# Which pods of a Service get requests is told by their readiness probe, /readyz.

apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: holdfast
spec:
  parentRefs:
    - name: gateway # yours
  rules:
    - matches:
        - path: { type: PathPrefix, value: / }
      backendRefs:
${servers.map(({ host, port }) => `        - { name: ${host}, port: ${port} }\n`).join('')}${sticky ? persistence(plan) : ''}`
}

function persistence({ cookieSeconds }: BalancerPlan): string {
  const life =
    cookieSeconds === undefined
      ? `        cookieConfig:
          lifetimeType: Session # until the browser closes, as the session's own cookie
`
      : `        absoluteTimeout: ${Math.min(cookieSeconds, maxCookieSeconds)}s # at least as long as the session's own cookie
        cookieConfig:
          lifetimeType: Permanent
`
  return `      sessionPersistence:
        sessionName: holdfast_server # a cookie of the gateway, which names the pod
        type: Cookie
${life}`
}
