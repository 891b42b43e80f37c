import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { REQUEST_MAGIC } from '../memcached-wire/binary.js'
import type { Fault } from './faults.js'
import type { Cutter, ProxiedReply, ProxiedRequest } from './proxied.js'
import { proxiedBinary } from './proxied-binary.js'
import { proxiedMeta } from './proxied-meta.js'

export interface FaultRule {
  /** Requests that the fault hits before it is over. Default: all until `heal()`. */
  requests?: number
  /** Requests that pass before the fault begins. Default: 0. */
  after?: number
  /** Only requests with this opcode of the binary protocol, or the meta commands that do the same. Default: all. */
  opcode?: number
  /** Hits also what a client asks on a new connection to find out what the server can do. Default `false`. */
  greetings?: boolean
}

/** A memcached server (binary protocol and meta commands) that does wrong on request. */
export interface FaultyServer {
  readonly host: string
  readonly port: number
  /** Connections accepted so far. */
  readonly connections: number
  readonly openConnections: number
  /** Requests that arrived so far, greetings left out. */
  readonly operations: number
  /** From now on requests meet the fault; replaces an earlier one. */
  fail(fault: Fault, rule?: FaultRule): void
  /** From now on requests are carried out. What went unanswered stays so. */
  heal(): void
  /** Ends every connection: in order, or hard. */
  dropConnections(how?: 'close' | 'reset'): void
  /** Ends every connection and refuses new ones until `accept()`. */
  refuse(): Promise<void>
  accept(): Promise<void>
  close(): Promise<void>
}

/** Starts a proxy in front of a real server, by which every fault of a server can be produced on a real socket. */
export async function startFaultyServer(upstream: { host: string; port: number }): Promise<FaultyServer> {
  const server = new FaultyProxy(upstream)
  await server.accept()
  return server
}

class FaultyProxy implements FaultyServer {
  readonly host = '127.0.0.1'
  port = 0
  connections = 0
  operations = 0
  readonly #upstream: { host: string; port: number }
  readonly #open = new Set<ProxiedConnection>()
  #listener: Server | undefined
  #fault: Fault | undefined
  #rule: FaultRule = {}
  #hits = 0
  #passed = 0

  constructor(upstream: { host: string; port: number }) {
    this.#upstream = upstream
  }

  get openConnections(): number {
    return this.#open.size
  }

  fail(fault: Fault, rule: FaultRule = {}): void {
    this.#fault = fault
    this.#rule = rule
    this.#hits = this.#passed = 0
  }

  heal(): void {
    this.#fault = undefined
  }

  dropConnections(how: 'close' | 'reset' = 'close'): void {
    for (const connection of this.#open) connection.end(how)
  }

  async accept(): Promise<void> {
    if (this.#listener !== undefined) return
    this.#listener = createServer((client) => this.#serve(client))
    this.#listener.listen(this.port, this.host)
    await once(this.#listener, 'listening')
    this.port = (this.#listener.address() as AddressInfo).port
  }

  async refuse(): Promise<void> {
    const listener = this.#listener
    if (listener === undefined) return
    this.#listener = undefined
    listener.close()
    this.dropConnections('reset')
    await once(listener, 'close')
  }

  close(): Promise<void> {
    return this.refuse()
  }

  #serve(client: Socket): void {
    this.connections += 1
    const upstream = connect(this.#upstream.port, this.#upstream.host)
    const connection = new ProxiedConnection(client, upstream, (request) => this.#faultFor(request))
    this.#open.add(connection)
    client.once('close', () => this.#open.delete(connection))
  }

  #faultFor(request: ProxiedRequest): Fault | undefined {
    const { opcode, after = 0, requests = Number.POSITIVE_INFINITY, greetings = false } = this.#rule
    if (!request.greeting) this.operations += 1
    else if (!greetings) return undefined
    if (this.#fault === undefined || (opcode !== undefined && opcode !== request.opcode)) return undefined
    if (this.#passed < after) {
      this.#passed += 1
      return undefined
    }
    this.#hits += 1
    return this.#hits <= requests ? this.#fault : undefined
  }
}

type Reaction = (reply: ProxiedReply) => void

/** One client and its own connection to the real server; replies are met in the order of the requests. */
class ProxiedConnection {
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #faultFor: (request: ProxiedRequest) => Fault | undefined
  readonly #reactions: Reaction[] = []
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(client: Socket, upstream: Socket, faultFor: (request: ProxiedRequest) => Fault | undefined) {
    this.#client = client
    this.#upstream = upstream
    this.#faultFor = faultFor
    this.#wire()
  }

  end(how: 'close' | 'reset'): void {
    if (how === 'reset') this.#client.resetAndDestroy()
    else this.#client.end()
  }

  #wire(): void {
    let requests: Cutter<ProxiedRequest> | undefined
    let replies: Cutter<ProxiedReply> | undefined
    this.#client.setNoDelay(true)
    this.#client.on('data', (chunk) => {
      const protocol = chunk[0] === REQUEST_MAGIC ? proxiedBinary : proxiedMeta
      requests ??= protocol.requests()
      replies ??= protocol.replies()
      for (const request of requests(chunk)) this.#meet(request)
    })
    this.#upstream.on('data', (chunk) => {
      for (const reply of replies?.(chunk) ?? []) this.#reactions.shift()?.(reply)
    })
    this.#client.on('error', ignore)
    this.#upstream.on('error', ignore)
    this.#client.once('close', () => this.#release())
    this.#upstream.once('close', () => this.#client.destroy())
  }

  #release(): void {
    this.#upstream.destroy()
    for (const timer of this.#timers) clearTimeout(timer)
  }

  #meet(request: ProxiedRequest): void {
    const fault = this.#faultFor(request)
    if (fault === undefined) this.#forward(request.bytes, (reply) => this.#send(reply.bytes))
    else if (fault.kind === 'silent') return
    else if (fault.kind === 'close' || fault.kind === 'reset') this.end(fault.kind)
    else if (fault.kind === 'garbage') this.#send(Buffer.alloc(64, 'no reply '))
    else if (fault.kind === 'status') this.#send(request.reply(fault.status))
    else if (fault.kind === 'claim-stored') this.#send(request.claimStored())
    else if (fault.kind === 'other-key') this.#forward(request.withKey(fault.key), (reply) => this.#send(reply.bytes))
    else this.#forward(request.bytes, (reply) => this.#answer(reply, fault))
  }

  #forward(request: Buffer, reaction: Reaction): void {
    this.#reactions.push(reaction)
    this.#upstream.write(request)
  }

  #answer(reply: ProxiedReply, fault: Fault): void {
    if (fault.kind === 'other-request') this.#send(reply.withOtherOpaque())
    else if (fault.kind === 'delay') this.#sendLater(reply.bytes, fault.ms)
    else if (fault.kind === 'cut-reply')
      this.#sendPart(reply.bytes, fault.bytes ?? reply.bytes.length >> 1, fault.afterwards)
  }

  #send(bytes: Buffer): void {
    if (!this.#client.destroyed && this.#client.writable) this.#client.write(bytes)
  }

  #sendLater(reply: Buffer, ms: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#send(reply)
    }, ms)
    this.#timers.add(timer)
  }

  #sendPart(reply: Buffer, bytes: number, afterwards: 'stop' | 'close' | 'reset'): void {
    this.#client.write(reply.subarray(0, bytes), () => {
      if (afterwards !== 'stop') this.end(afterwards)
    })
  }
}

function ignore(): void {}
