import type { PendingOperation } from '../pending-operations.js'
import type { RedisScript } from './redis-scripts.js'

export type RedisArgument = string | Buffer

/** One command for Redis and the reading of its reply. */
export interface RedisCommand<T> {
  name: string
  args: RedisArgument[]
  /** The script that is run; `name` and the first argument are then EVALSHA and the script's digest. */
  script?: RedisScript
  /** What decides which server of a cluster has it; `undefined`: any. */
  key: string | undefined
  /** Size of the arguments, roughly. */
  bytes: number
  /** The write is to be acknowledged by replicas. */
  durable?: boolean
  /** It only reads, though the server counts it as a write; `recover` knows how to read where writes are refused. */
  reads?: boolean
  /** Goes over a connection of its own, so that what the server holds back holds nothing else up. */
  apart?: boolean
  /** Another way to the result, when the command has failed for good. */
  recover?(error: Error): Promise<T>
  /** Throws `ProtocolError` when no such reply can follow the command. */
  read(reply: unknown): T
}

/** One attempt at a command on one connection. */
export class RedisOperation implements PendingOperation<RedisOperation> {
  readonly command: RedisCommand<unknown>
  /** Whether the server may have got it. */
  sent = false
  deadline = 0
  next: RedisOperation | undefined = undefined
  readonly resolve: (result: never) => void
  readonly #fail: (error: Error) => void

  constructor(command: RedisCommand<unknown>, resolve: (result: never) => void, fail: (error: Error) => void) {
    this.command = command
    this.resolve = resolve
    this.#fail = fail
  }

  get bytes(): number {
    return this.command.bytes
  }

  reject(error: Error): void {
    this.#fail(error)
  }
}
