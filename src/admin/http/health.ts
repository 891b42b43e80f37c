import { jsonReply, type Reply, textReply } from './reply.js'

/** Whether this server should get visitors. */
export interface Readiness {
  readonly state: 'starting' | 'ready' | 'draining'
  /** For those who may see it: storage nodes that are down, what is pending, … */
  readonly detail?: Readonly<Record<string, unknown>> | undefined
}

/** `/healthz`: this process lives and answers. */
export function aliveReply(detailed: boolean, uptime: number): Reply {
  return detailed ? jsonReply(200, { status: 'alive', uptimeSeconds: Math.floor(uptime) }) : textReply(200, 'alive')
}

/** `/readyz`: 200, or 503 while starting or draining, so that a balancer sends visitors elsewhere. */
export function readyReply(detailed: boolean, readiness: Readiness): Reply {
  const { state } = readiness
  const status = state === 'ready' ? 200 : 503
  if (!detailed) return textReply(status, state)
  const { detail } = readiness
  return jsonReply(status, { status: state, ...(detail && { detail }) })
}
