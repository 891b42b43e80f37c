import { type HoldfastError, NodeRefusedError, NodeUnreachableError } from '../../errors.js'
import { NotDone } from './redis-errors.js'
import { type RedisCommand, RedisOperation } from './redis-operation.js'
import type { RedisRoute } from './redis-route.js'
import { putScript } from './redis-scripts.js'

/** Milliseconds that the trial's key lives. */
const trialLife = '1000'
const trialValue = Buffer.from('probe')

/** How a server lets writes be fenced. */
export type WriteFence = 'script' | 'comparison'

/**
 * Tries on a connection of its own whether a server takes writes, and how it fences them: while writes are paused (CLIENT PAUSE, a
 * managed failover) whatever follows one on its connection waits, too.
 *
 * @returns `undefined`: it could not be found out
 * @throws NodeRefusedError that `refuses` writes when it takes none; what else the server answers, as it is
 */
export async function tryWrites(route: RedisRoute, label: string, key: string): Promise<WriteFence | undefined> {
  try {
    await attempt(route, write(key, []))
    const script = await refusal(attempt(route, fencedWrite(key)))
    if (script === undefined) return 'script'
    if (!forbidsScripts(script)) throw script
    await attempt(route, write(key, ['IFEQ', trialValue]))
    return 'comparison'
  } catch (error) {
    if (error instanceof NotDone) return outcomeOf(error)
    if (error instanceof NodeUnreachableError) throw paused(label, error)
    if (lacksComparison(error)) throw neither(label, error)
    throw error
  } finally {
    route.leaveApart()
  }
}

/** Whether it is scripts as such that the access rules forbid, or the server does not have. */
export function forbidsScripts(error: unknown): error is NodeRefusedError {
  return (
    error instanceof NodeRefusedError && /NOPERM.*'eval(sha)?'|unknown command ['`]?eval(sha)?\b/i.test(error.message)
  )
}

/** Whether the server does not know a `SET` that compares: Redis has it from 8.4 on, Valkey from 8.1 on. */
export function lacksComparison(error: unknown): error is NodeRefusedError {
  return error instanceof NodeRefusedError && /syntax error/i.test(error.message)
}

export function neither(label: string, cause: unknown): NodeRefusedError {
  const message = `storage node ${label} forbids scripts (EVALSHA, EVAL), and its SET can't compare (IFEQ: Redis 8.4, Valkey 8.1): writes can't be fenced there`
  return new NodeRefusedError(message, { cause, refuses: 'writes' })
}

function write(key: string, more: (string | Buffer)[]): RedisCommand<unknown> {
  return { name: 'SET', args: [key, trialValue, ...more, 'PX', trialLife], key, bytes: 0, apart: true, read: asItIs }
}

/* With its text, so that the server needs not know it. That it finds another digest is no matter: it has read, as a write. */
function fencedWrite(key: string): RedisCommand<unknown> {
  const args = [putScript.text, '1', key, trialValue, 'none', trialLife]
  return { name: 'EVAL', args, key, bytes: 0, apart: true, read: asItIs }
}

function attempt(route: RedisRoute, command: RedisCommand<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => route.perform(new RedisOperation(command, resolve, reject)))
}

async function refusal(attempted: Promise<unknown>): Promise<NodeRefusedError | undefined> {
  try {
    await attempted
    return undefined
  } catch (error) {
    if (error instanceof NodeRefusedError) return error
    throw error
  }
}

/* What could not be sent tells nothing. */
function outcomeOf({ why, outcome }: NotDone): undefined {
  if (why !== 'not-connected') throw outcome
  return undefined
}

function paused(label: string, cause: HoldfastError): NodeRefusedError {
  const message = `storage node ${label} answers reads, and gives no answer to a write: writes may be paused (CLIENT PAUSE)`
  return new NodeRefusedError(message, { cause, refuses: 'writes' })
}

function asItIs(reply: unknown): unknown {
  return reply
}
