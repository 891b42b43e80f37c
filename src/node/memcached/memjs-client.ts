import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { NodeUnreachableError } from '../../errors.js'
import { here } from '../../here.js'
import { isSocketPath } from '../address/host.js'
import { giveUpSocket } from '../give-up-socket.js'
import type { MemcachedAddress } from './memcached-address.js'

/** A reply in the form that memjs hands out; `cas`, `key` and `val` are slices of a larger buffer. */
export interface MemjsReply {
  header: { magic: number; opcode: number; status: number; totalBodyLength: number; opaque: number; cas: Buffer }
  key: Buffer
  val: Buffer
}

/** What we use of a memjs server object: one socket and the tables of its callbacks. */
export interface MemjsServer {
  username: string | undefined
  password: string | undefined
  responseBuffer: Buffer
  _socket: Socket | undefined
  respond(reply: MemjsReply): void
  responseHandler(chunk: Buffer): void
  saslAuth(): void
  sock(sasl: boolean, go: (socket: Socket) => void): void
  error(error: unknown): void
}

/** What we use of a memjs client: the request layer below its public commands, which carries CAS and get-and-touch. */
export interface MemjsClient {
  perform(key: string, request: Buffer, seq: number, callback: MemjsCallback, retries: number): void
}

/** memjs passes an error, or a plain text when the authentication failed. */
export type MemjsCallback = (error: unknown, reply: MemjsReply) => void

interface Memjs {
  Server: new (
    host: string,
    /** Or the path of a unix socket, as of `net.connect`. */
    port: number | string,
    username: string | undefined,
    password: string | undefined,
    options: object,
  ) => MemjsServer
  Client: new (servers: MemjsServer[], options: object) => MemjsClient
}

/** memjs' own time-out is an idle timer that steady traffic re-arms: set so far away that it never plays a part. In seconds. */
const memjsTimeout = 1_000_000

const keepAlive = { keepAlive: true, keepAliveDelay: 30 }

let loaded: Memjs | undefined

/** Loads memjs at first use: who has no memcached doesn't pay for it. */
function loadMemjs(load: () => unknown): Memjs {
  try {
    loaded ??= load() as Memjs
    return loaded
  } catch (cause) {
    const what = "storage nodes that speak memcached's binary protocol only"
    throw new NodeUnreachableError(`${what} need the package memjs: npm install memjs`, { cause })
  }
}

function requireMemjs(): unknown {
  return createRequire(here)('memjs')
}

/**
 * A memjs client with one server, that retries nothing, fails over to nowhere and prints nothing.
 * The parts are put together by hand because memjs' own reading of an address doesn't know IPv6.
 *
 * @throws NodeUnreachableError when memjs is not installed
 */
export function createMemjsClient(
  address: MemcachedAddress,
  load: () => unknown = requireMemjs,
): { server: MemjsServer; client: MemjsClient } {
  const { Server, Client } = loadMemjs(load)
  const options = { timeout: memjsTimeout, conntimeout: memjsTimeout, ...keepAlive }
  const { host, port } = address
  const server = new Server(host, isSocketPath(host) ? host : port, undefined, undefined, options)
  // Set afterwards: the constructor would take credentials from the environment where there are none.
  server.username = address.username
  server.password = address.password
  const client = new Client([server], { retries: 1, failover: false, logger: { log: ignore } })
  return { server, client }
}

/**
 * Takes a client out of service: its socket goes, nothing that arrives late reaches anybody, and no path in memjs
 * can open another socket (a late reply to a login would).
 */
export function discardMemjsServer(server: MemjsServer): void {
  const socket = server._socket
  server.respond = ignore
  server.responseHandler = ignore
  server.sock = ignore
  server.responseBuffer = Buffer.alloc(0)
  if (socket !== undefined && !socket.connecting && !socket.destroyed) giveUpSocket(socket)
  // memjs' own way to clear its tables; its close handler throws when they are left half-way.
  server.error(new Error('discarded'))
}

function ignore(): void {}
