import { type BalancerPlan, hasOwnHealthPort } from './balancer-plan.js'

const [shortest, longest] = [1, 604_800]

/** Parts of a CloudFormation template for an Application Load Balancer, which sets a cookie of its own. */
export function albConfiguration(plan: BalancerPlan): string {
  const { servers, sticky, healthPath, listen } = plan
  const [first] = servers
  return `# Not run by the tests of Holdfast.
# Resources of a CloudFormation template. Vpc, LoadBalancer${plan.tls === undefined ? '' : ' and Certificate'} are yours.

Resources:
  HoldfastServers:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      VpcId: !Ref Vpc
      Protocol: HTTP
      Port: ${first?.port}
      TargetType: ip
      Targets:
${servers.map(({ host, port, route }) => `        - { Id: ${host}, Port: ${port} } # ${route}\n`).join('')}${healthPath === undefined ? '' : check(plan, healthPath)}      TargetGroupAttributes:
        - { Key: load_balancing.algorithm.type, Value: least_outstanding_requests }
        # A server that is taken out keeps its requests under way for so many seconds.
        - { Key: deregistration_delay.timeout_seconds, Value: "30" }
${sticky ? stickiness(plan) : ''}
  HoldfastListener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref LoadBalancer
      Port: ${listen.port}
${plan.tls === undefined ? '      Protocol: HTTP\n' : '      Protocol: HTTPS\n      Certificates:\n        - CertificateArn: !Ref Certificate\n'}      DefaultActions:
        - Type: forward
          TargetGroupArn: !Ref HoldfastServers
`
}

function check({ servers: [first] }: BalancerPlan, path: string): string {
  return `      # 503 from the moment that a server drains: it gets no new requests.
      HealthCheckPath: ${path}
      HealthCheckPort: "${first !== undefined && hasOwnHealthPort(first) ? first.healthPort : 'traffic-port'}"
      HealthCheckIntervalSeconds: 5
      HealthCheckTimeoutSeconds: 2
      HealthyThresholdCount: 2
      UnhealthyThresholdCount: 2
`
}

/** The balancer renews its cookie at every request, and the session its idle timeout: so the one has to last as long. */
function stickiness({ idleSeconds }: BalancerPlan): string {
  const wanted = idleSeconds === 0 ? longest : idleSeconds
  const seconds = Math.min(Math.max(wanted, shortest), longest)
  return `        # A cookie of the balancer (AWSALB), renewed with every request. It has to last as long as a session may be idle:
        # ${idleSeconds === 0 ? 'for ever; a week is the most that can be had' : `${idleSeconds} seconds${wanted > longest ? '; a week is the most that can be had' : ''}`}.
        - { Key: stickiness.enabled, Value: "true" }
        - { Key: stickiness.type, Value: lb_cookie }
        - { Key: stickiness.lb_cookie.duration_seconds, Value: "${seconds}" }
`
}
