import { ProtocolError } from '../errors.js'
import { NO_BYTES } from '../memcached-wire/binary.js'
import { LineStream } from '../memcached-wire/lines.js'
import { encodeMetaLine, type MetaRequest, readMetaRequest } from '../memcached-wire/meta.js'
import type { CommandContext } from './binary-commands.js'
import type { Answered, Conversation, RequestLimits } from './conversation.js'
import { type MetaAnswer, type MetaBody, runMetaCommand } from './meta-commands.js'

/** A client that speaks in lines of text: the meta commands, and the few words that a person types with telnet. */
export class TextConversation implements Conversation {
  readonly #context: CommandContext
  readonly #limits: RequestLimits
  readonly #stream = new LineStream()
  /** A write whose value is not whole yet. */
  #begun: MetaRequest | undefined

  constructor(context: CommandContext, limits: RequestLimits) {
    this.#context = context
    this.#limits = limits
  }

  get heldBytes(): number {
    return this.#stream.heldBytes
  }

  get isWithinRequest(): boolean {
    return this.#begun !== undefined || !this.#stream.empty
  }

  push(chunk: Buffer): void {
    this.#stream.push(chunk)
  }

  next(): Answered | undefined {
    if (this.#begun !== undefined) return this.#finish(this.#begun)
    const line = this.#stream.line()
    if (line === undefined) return undefined
    const request = readMetaRequest(line)
    if (request !== undefined && request.size >= 0) return this.#finish(request)
    // Without its size the end of a value can't be found, and the value would be taken for requests.
    if (request === undefined && line.startsWith('ms')) throw new ProtocolError('ms without a key and a size')
    return (request && this.#runMeta(request)) ?? this.#runWord(line)
  }

  #finish(request: MetaRequest): Answered | undefined {
    const body = this.#readBody(request)
    this.#begun = body === undefined ? request : undefined
    return body === undefined ? undefined : this.#runMeta(request, body)
  }

  #readBody({ size }: MetaRequest): MetaBody | undefined {
    if (size > this.#limits.maxBody) throw new ProtocolError(`a value of ${size} bytes is over the limit`)
    if (size > this.#limits.maxKeptBody) {
      return this.#stream.skip(size) ? { value: NO_BYTES, length: size } : undefined
    }
    const value = this.#stream.block(size)
    return value && { value, length: size }
  }

  #runMeta(request: MetaRequest, body?: MetaBody): Answered | undefined {
    if (request.command === 'mn') return said('MN')
    const answer = runMetaCommand(this.#context, request, body)
    return answer && encode(answer)
  }

  #runWord(line: string): Answered {
    const [word = '', argument = ''] = line.split(' ').filter((part) => part !== '')
    if (word === 'version') return said(`VERSION ${this.#context.version}`)
    if (word === 'stats') return this.#tellStats(argument)
    if (word === 'flush_all') return this.#flush(argument)
    if (word === 'verbosity') return said('OK')
    return word === 'quit' ? { pieces: [], ends: true } : said('ERROR')
  }

  /** Of the parts that other tools ask for, there is nothing to tell. */
  #tellStats(topic: string): Answered {
    if (topic === 'reset') {
      this.#context.resetStats()
      return said('RESET')
    }
    const stats = topic === '' ? this.#context.stats() : topic === 'settings' ? this.#context.settings() : {}
    return said(...Object.entries(stats).map(([name, value]) => `STAT ${name} ${value}`), 'END')
  }

  #flush(delay: string): Answered {
    if (!/^\d{0,10}$/.test(delay)) return said('CLIENT_ERROR bad command line format')
    this.#context.counters.cmd_flush++
    this.#context.store.flush(Number(delay))
    return said('OK')
  }
}

function said(...lines: string[]): Answered {
  return { pieces: [Buffer.from(`${lines.join('\r\n')}\r\n`, 'latin1')], ends: false }
}

const lineEnd = Buffer.from('\r\n')

function encode({ words, value, silent }: MetaAnswer): Answered {
  if (silent) return { pieces: [], ends: false }
  const head = Buffer.from(encodeMetaLine(...words), 'latin1')
  return { pieces: value === undefined ? [head] : [head, value, lineEnd], ends: false }
}
