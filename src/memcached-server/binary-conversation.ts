import { type BinaryFrame, encodePieces, REPLY_MAGIC, Status } from '../memcached-wire/binary.js'
import { BinaryStream } from '../memcached-wire/binary-stream.js'
import { type CommandContext, commands } from './binary-commands.js'
import { errorReply, type Reply } from './binary-replies.js'
import type { Answered, Conversation, RequestLimits } from './conversation.js'

const MAX_KEY_BYTES = 250

/** A client that speaks the binary protocol. */
export class BinaryConversation implements Conversation {
  readonly #context: CommandContext
  readonly #stream: BinaryStream

  constructor(context: CommandContext, limits: RequestLimits) {
    this.#context = context
    this.#stream = new BinaryStream(limits)
  }

  get heldBytes(): number {
    return this.#stream.heldBytes
  }

  get isWithinRequest(): boolean {
    return this.#stream.isWithinRequest
  }

  push(chunk: Buffer): void {
    this.#stream.push(chunk)
  }

  next(): Answered | undefined {
    const request = this.#stream.next()
    return request === undefined ? undefined : this.#handle(request)
  }

  /**
   * A request whose parts don't fit its opcode is answered with "invalid arguments" and ends the connection, as
   * memcached does it: the client can't be trusted to be in step.
   */
  #handle(request: BinaryFrame): Answered {
    if (request.key.length > MAX_KEY_BYTES) return answered(request, [errorReply(Status.invalid)], true)
    const command = commands.get(request.opcode)
    if (command === undefined) return answered(request, [errorReply(Status.unknownCommand)], false)
    if (!command.accepts(request)) return answered(request, [errorReply(Status.invalid)], true)
    if (command.storage) this.#context.operations++
    const answer = command.run(this.#context, request)
    const replies = isList(answer) ? answer : answer.status === command.silentStatus ? [] : [answer]
    return answered(request, replies, command.ends ?? false)
  }
}

function isList(answer: Reply | readonly Reply[]): answer is readonly Reply[] {
  return Array.isArray(answer)
}

function answered({ opcode, opaque }: BinaryFrame, replies: readonly Reply[], ends: boolean): Answered {
  const [only] = replies
  const encode = (reply: Reply): Buffer[] => encodePieces(REPLY_MAGIC, { ...reply, opcode, opaque })
  return { pieces: replies.length === 1 && only !== undefined ? encode(only) : replies.flatMap(encode), ends }
}
