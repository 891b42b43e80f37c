import type { IncomingMessage } from 'node:http'
import { withinTime } from '../jolokia/use-member.js'
import type { Principal } from './principal.js'

/** What an application tells of who asks. */
export interface Identified {
  /** For the audit log. Default `application`. */
  name?: string | undefined
  role: Principal['role']
  /** Whether the values of session attributes may be seen. Default false. */
  values?: boolean | undefined
  /** Whether an operator may choose the storage nodes, which is where all values go. Default false. */
  nodes?: boolean | undefined
}

/** Tells by an application's own login who asks. Whatever is no `Identified` refuses. */
export type Identify = (req: IncomingMessage) => Answer | Promise<Answer>
type Answer = Identified | null | undefined | false

/**
 * Asks the application who asks us. It is not trusted to answer in time, or at all, or with what its type says: only what is surely a
 * principal is taken for one.
 * @param timeout milliseconds.
 */
export async function askWho(
  identify: Identify,
  req: IncomingMessage,
  timeout: number,
): Promise<{ principal: Principal } | { reason: string }> {
  try {
    const principal = readPrincipal(await withinTime('identify', timeout, () => identify(req)))
    return principal === undefined ? { reason: 'identify names nobody' } : { principal }
  } catch (error) {
    return { reason: `identify failed: ${error instanceof Error ? error.message : 'not with an error'}` }
  }
}

/** Rights count only where they are exactly `true`: a text such as "false" grants nothing. */
function readPrincipal(answer: unknown): Principal | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  const { name, role, values, nodes } = answer as Record<string, unknown>
  if (role !== 'viewer' && role !== 'operator') return undefined
  const shown = typeof name === 'string' && name !== '' ? name : 'application'
  return { name: shown, role, values: values === true, nodes: nodes === true }
}
