import { type BinaryFrame, Status } from '../memcached-wire/binary.js'
import { type CommandContext, commands } from './binary-commands.js'
import { errorReply, type Reply } from './binary-replies.js'

const MAX_KEY_BYTES = 250

/** What is to be sent for a request, and whether the connection ends with it. */
export interface Handled {
  replies: readonly Reply[]
  ends: boolean
}

const NO_REPLIES: readonly Reply[] = []

/** Finds the command of a request and runs it. One for all connections of a server. */
export class CommandHandler {
  readonly #context: CommandContext
  #operations = 0

  constructor(context: CommandContext) {
    this.#context = context
  }

  /** Operations on stored items so far. */
  get operations(): number {
    return this.#operations
  }

  /**
   * A request whose parts don't fit its opcode is answered with "invalid arguments" and ends the connection, as
   * memcached does it: the client can't be trusted to be in step.
   */
  handle(request: BinaryFrame): Handled {
    if (request.key.length > MAX_KEY_BYTES) return refusal(Status.invalid, true)
    const command = commands.get(request.opcode)
    if (command === undefined) return refusal(Status.unknownCommand, false)
    if (!command.accepts(request)) return refusal(Status.invalid, true)
    if (command.storage) this.#operations++
    const answer = command.run(this.#context, request)
    const replies = isList(answer) ? answer : answer.status === command.silentStatus ? NO_REPLIES : [answer]
    return { replies, ends: command.ends ?? false }
  }
}

function isList(answer: Reply | readonly Reply[]): answer is readonly Reply[] {
  return Array.isArray(answer)
}

function refusal(status: number, ends: boolean): Handled {
  return { replies: [errorReply(status)], ends }
}
