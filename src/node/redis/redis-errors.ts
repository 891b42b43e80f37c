import { type HoldfastError, NodeRefusedError, NodeUnreachableError, type Refusal } from '../../errors.js'

/** `host:port` of a cluster's server, and the slot that it has. */
export interface Redirection {
  slot: number
  target: string
}

/**
 * Proof that an operation had no effect, so that it may be tried again.
 *
 * - `not-connected`: it was not sent
 * - `not-now`: the server refused it because of its state: not the master any more, loading, busy, cluster down
 * - `no-script`: the server doesn't know the script; it takes it with its text
 * - `moved`, `ask`: another server of the cluster has the key
 */
export class NotDone extends Error {
  readonly why: 'not-connected' | 'not-now' | 'no-script' | 'moved' | 'ask'
  /** What the caller gets if it is not tried again. */
  readonly outcome: HoldfastError
  /** Who has the key (`moved`, `ask`). */
  readonly redirection: Redirection | undefined
  /** Whether another connection may lead to a server that can do it. */
  readonly wantsOtherConnection: boolean

  constructor(
    why: NotDone['why'],
    outcome: HoldfastError,
    { redirection, wantsOtherConnection = false }: { redirection?: Redirection; wantsOtherConnection?: boolean } = {},
  ) {
    super(outcome.message)
    this.why = why
    this.outcome = outcome
    this.redirection = redirection
    this.wantsOtherConnection = wantsOtherConnection
  }
}

/** Answers of a server that is not, or not yet, or not any more, the one to ask: a proxy or Sentinel may lead to another. */
const otherServerCodes = new Set(['READONLY', 'LOADING', 'MASTERDOWN', 'UNBLOCKED'])
/** Answers of a server that will be able to do it soon. */
const waitingCodes = new Set(['BUSY', 'TRYAGAIN', 'CLUSTERDOWN'])
/** What a refusal says, in place of that the server answered. */
const meanings: Readonly<Record<string, string>> = {
  MISCONF: "takes no writes, as it can't save them to its disk",
  NOREPLICAS: 'takes no writes, as too few replicas follow it',
  NOPERM: 'forbids by its access rules what Holdfast needs',
  OOM: 'has no room left, and removes nothing to make some',
}
/** Refusals that will meet what comes next too. */
const refusals: Readonly<Record<string, Refusal>> = { MISCONF: 'writes', NOPERM: 'writes', NOAUTH: 'everything' }
/** What older servers wrap into the error of a script. */
const wrappedPattern = /-(READONLY|NOREPLICAS|MISCONF|OOM)\b/

/** What Redis 7 says where access rules forbid a command within a script. */
const forbiddenPattern = /^ERR The user executing the script can't/

/** The first word of an error reply, which is its kind. */
export function errorCode(message: string): string {
  const code = /^[A-Z]+/.exec(message)?.[0] ?? ''
  if (code !== 'ERR') return code
  return forbiddenPattern.test(message) ? 'NOPERM' : (wrappedPattern.exec(message)?.[1] ?? code)
}

/**
 * What an error reply means for the operation that it answers. Every one of these proves that nothing was done: the
 * server checks its state before it begins, and our scripts write in their last step.
 */
export function readErrorReply(label: string, message: string): NotDone | NodeRefusedError {
  const code = errorCode(message)
  const text = `storage node ${label} ${meanings[code] ?? 'answered'}: ${printable(message)}`
  if (otherServerCodes.has(code)) {
    return new NotDone('not-now', new NodeUnreachableError(text), { wantsOtherConnection: true })
  }
  if (code === 'NOREPLICAS') {
    return new NotDone('not-now', new NodeRefusedError(text, { refuses: 'writes' }), { wantsOtherConnection: true })
  }
  if (waitingCodes.has(code)) return new NotDone('not-now', new NodeUnreachableError(text))
  if (code === 'NOSCRIPT') return new NotDone('no-script', new NodeRefusedError(text))
  const redirection = /^(MOVED|ASK) (\d{1,5}) (\S+)$/.exec(message)
  if (redirection === null) return new NodeRefusedError(text, { refuses: refusals[code] ?? 'operation' })
  const why = redirection[1] === 'MOVED' ? 'moved' : 'ask'
  return new NotDone(why, new NodeRefusedError(`${text}: it is part of a cluster, redis+cluster://`), {
    redirection: { slot: Number(redirection[2]) % 16_384, target: redirection[3] as string },
  })
}

/** A server repeats the arguments of a command that it doesn't know: they stay out of messages. */
export function printable(message: string): string {
  const end = message.indexOf(', with args')
  return message
    .slice(0, end === -1 ? 120 : Math.min(end, 120))
    .replace(/[^ -~]/g, '?')
    .trim()
}
