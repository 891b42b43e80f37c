import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { commandName, MessageReader } from './resp.js'

/**
 * What happens to a request. Answers keep their order, as they do with a real server: behind one that doesn't come no
 * other comes on that connection. `silent`: nothing. `unanswered`: it is carried out, the answer is kept. `close`, `reset`: the
 * connection ends instead. `cut`: it is carried out, half of the answer is sent, then the connection hangs or ends.
 * `answer`: these bytes are sent instead. `delay`: it is carried out at once and answered after `ms`. `late`: it is carried out, and answered when `release()` is called.
 */
export type RedisFault =
  | { kind: 'silent' | 'unanswered' | 'close' | 'reset' | 'late' }
  | { kind: 'cut'; afterwards: 'stop' | 'close' | 'reset' }
  | { kind: 'answer'; bytes: string }
  | { kind: 'delay'; ms: number }

interface Rule {
  fault: RedisFault
  /** Only requests with this command. */
  command: string | undefined
  left: number
}

/** Stands between a client and a real Redis, and does wrong on request. */
export class FaultyRedis {
  readonly host = '127.0.0.1'
  port = 0
  connections = 0
  /** What is published on channels doesn't come through. */
  swallowsMessages = false
  /** Commands in the order in which they came, without those of the greeting. */
  readonly commands: string[] = []
  readonly #upstream: { host: string; port: number }
  readonly #clients = new Set<Socket>()
  readonly #held: (() => void)[] = []
  #server: Server | undefined
  #rule: Rule | undefined

  constructor(upstream: { host: string; port: number }) {
    this.#upstream = upstream
  }

  async start(): Promise<void> {
    this.#server = createServer((client) => this.#serve(client))
    this.#server.listen(0, this.host)
    await once(this.#server, 'listening')
    this.port = (this.#server.address() as AddressInfo).port
  }

  fail(
    fault: RedisFault,
    { command, times = Number.POSITIVE_INFINITY }: { command?: string; times?: number } = {},
  ): void {
    this.#rule = { fault, command, left: times }
  }

  heal(): void {
    this.#rule = undefined
  }

  /** Late answers that have come from the real server. */
  get held(): number {
    return this.#held.length
  }

  /** Sends the late answers. */
  release(): void {
    for (const send of this.#held.splice(0)) send()
  }

  dropConnections(how: 'close' | 'reset'): void {
    for (const client of this.#clients) how === 'reset' ? client.resetAndDestroy() : client.end()
  }

  async close(): Promise<void> {
    this.dropConnections('reset')
    this.#server?.close()
    if (this.#server !== undefined) await once(this.#server, 'close')
  }

  #serve(client: Socket): void {
    this.connections += 1
    this.#clients.add(client)
    const upstream = connect(this.#upstream.port, this.#upstream.host)
    const [requests, replies] = [new MessageReader(), new MessageReader()]
    const expected: ((reply: Buffer) => void)[] = []
    const answers = new AnswersInOrder(client)
    client.on('data', (chunk) => {
      for (const request of requests.read(chunk)) {
        this.#meet(client, commandName(request), answers.slot(), (reaction) => {
          expected.push(reaction)
          upstream.write(request)
        })
      }
    })
    upstream.on('data', (chunk) => {
      for (const reply of replies.read(chunk)) {
        if (isPublished(reply)) this.#publish(client, reply)
        else expected.shift()?.(reply)
      }
    })
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.once('close', () => {
      this.#clients.delete(client)
      upstream.destroy()
    })
    upstream.once('close', () => client.destroy())
  }

  #publish(client: Socket, message: Buffer): void {
    if (!this.swallowsMessages) client.write(message)
  }

  #meet(client: Socket, command: string, send: Send, forward: (reaction: (reply: Buffer) => void) => void): void {
    const greeting = ['INFO', 'ROLE', 'AUTH', 'SELECT'].includes(command)
    if (!greeting) this.commands.push(command)
    const fault = this.#faultFor(command, greeting)
    if (fault === undefined) forward(send)
    else if (fault.kind === 'unanswered') forward(() => {})
    else if (fault.kind === 'late') forward((reply) => this.#held.push(() => send(reply)))
    else if (fault.kind === 'delay') forward((reply) => setTimeout(send, fault.ms, reply))
    else if (fault.kind === 'answer') send(Buffer.from(fault.bytes))
    else if (fault.kind === 'close') client.end()
    else if (fault.kind === 'reset') client.resetAndDestroy()
    else if (fault.kind === 'cut') forward((reply) => cut(client, reply, fault.afterwards))
  }

  #faultFor(command: string, greeting: boolean): RedisFault | undefined {
    const rule = this.#rule
    if (rule === undefined || rule.left <= 0) return undefined
    if (rule.command === undefined ? greeting : rule.command !== command) return undefined
    rule.left -= 1
    return rule.fault
  }
}

type Send = (reply: Buffer) => void

/** Sends answers in the order of their requests, however they come. */
class AnswersInOrder {
  readonly #client: Socket
  readonly #slots: { answer: Buffer | undefined }[] = []

  constructor(client: Socket) {
    this.#client = client
  }

  slot(): Send {
    const slot: { answer: Buffer | undefined } = { answer: undefined }
    this.#slots.push(slot)
    return (answer) => {
      slot.answer = answer
      while (this.#slots[0]?.answer !== undefined) this.#write(this.#slots.shift()?.answer as Buffer)
    }
  }

  #write(answer: Buffer): void {
    if (this.#client.writable) this.#client.write(answer)
  }
}

/** A message on a channel, which answers nothing. */
function isPublished(reply: Buffer): boolean {
  return reply.toString('latin1', 0, 15) === '*3\r\n$7\r\nmessage'
}

function cut(client: Socket, reply: Buffer, afterwards: 'stop' | 'close' | 'reset'): void {
  client.write(reply.subarray(0, reply.length >> 1), () => {
    if (afterwards === 'close') client.end()
    if (afterwards === 'reset') client.resetAndDestroy()
  })
}
