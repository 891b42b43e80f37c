import { type HttpStatusError, StorageUnavailableError } from '../../errors.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import type { ManagerContext } from './manager-context.js'

/** So often a line tells why requests are refused; the next one says how many it stands for. */
const QUIET_TIME = 1000

/** Tells in the log why a request gets an error's status (503) in the place of its session. */
export function tellRefusal(context: ManagerContext, error: HttpStatusError): void {
  const { log, settings, placement } = context
  const nodes = error instanceof StorageUnavailableError ? placement.nodes.filter(isInTrouble) : []
  const reasons = nodes.map((node) => `${node.name} (${node.address}) ${troubleOf(node)}`)
  if (reasons.length === 0 && error.cause instanceof Error) reasons.push(error.cause.message)
  const text = [`a request gets a ${error.status}: ${error.message}`, ...reasons.slice(0, 1)].join(': ')
  const message = [text, ...reasons.slice(1)].join('; ')
  const details = { status: error.status, code: error.code, node: nodes.map(({ name }) => name).join(' '), error }
  log.write(error.code, message, (m) => settings.logger.warn(m, details), QUIET_TIME)
}

function isInTrouble(node: WatchedNode): boolean {
  return node.state !== 'up' || node.failedRecently() || node.returnedRecently()
}

function troubleOf(node: WatchedNode): string {
  const { state, lastError } = node
  const what = state === 'up' ? 'has just come back, or lost what it had' : `is ${state}`
  return lastError === undefined ? what : `${what}: ${lastError.message}`
}
