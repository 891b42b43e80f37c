import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { encodeCommand, MessageReader, readCommand } from './resp.js'

/**
 * Stands in front of a real Redis, forbids scripts as access rules do, and has a SET that compares (`IFEQ`), as Redis 8.4 and Valkey 8.1
 * have one by their documentation. The comparison itself is a script of the real server.
 */
export class ComparingRedis {
  readonly host = '127.0.0.1'
  port = 0
  /** Commands in the order in which they came. */
  readonly commands: string[] = []
  readonly #upstream: { host: string; port: number }
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined

  constructor(upstream: { host: string; port: number }) {
    this.#upstream = upstream
  }

  async start(): Promise<void> {
    this.#server = createServer((client) => this.#serve(client))
    this.#server.listen(0, this.host)
    await once(this.#server, 'listening')
    this.port = (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server?.close()
    if (this.#server !== undefined) await once(this.#server, 'close')
  }

  #serve(client: Socket): void {
    const upstream = connect(this.#upstream.port, this.#upstream.host)
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => {
        this.#sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const requests = new MessageReader()
    client.on('data', (chunk) => {
      for (const request of requests.read(chunk)) upstream.write(this.#translated(request))
    })
    upstream.pipe(client)
  }

  /* Forbidden is what the real server's own rules say of a user without any: the answer keeps its place among the others. */
  #translated(request: Buffer): Buffer {
    const [name = Buffer.alloc(0), ...args] = readCommand(request)
    const command = name.toString().toUpperCase()
    this.commands.push(command)
    if (command === 'EVALSHA' || command === 'EVAL') return encodeCommand('EVAL', refusing(command.toLowerCase()), '0')
    const at = args.findIndex((arg) => arg.toString() === 'IFEQ')
    if (command !== 'SET' || at === -1) return request
    const [key = '', value = ''] = args
    return encodeCommand('EVAL', comparing, '1', key, value, args[at + 1] as Buffer, ...args.slice(at + 2))
  }
}

function refusing(command: string): string {
  return `return redis.error_reply("NOPERM this user has no permissions to run the '${command}' command")`
}

const comparing = `
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return false end
return redis.call('SET', KEYS[1], ARGV[1], unpack(ARGV, 3))`
