import { NodeRefusedError } from '../../errors.js'
import { defaultMaxValueBytes } from '../item-size.js'
import type { MemcachedStorageNode } from './memcached-node.js'

/** Values up to this size fit the items of every server that is of use for sessions. */
const SURE_BYTES = 8 * 1024

/** What of an item is not left for its value: the key, and what memcached keeps beside it. */
const RESERVED = 1024

/**
 * How long a value can be that is stored in one item of a memcached server: the server is asked for its limit (`-I`) when a value comes
 * that is not sure to fit, once a connection. Where it doesn't tell, its limit is taken for the usual one.
 */
export class ItemLimit {
  readonly #node: Pick<MemcachedStorageNode, 'connections' | 'itemBytes'>
  #known: { connections: number; pieceBytes: number } | undefined
  #asking: Promise<number> | undefined

  constructor(node: Pick<MemcachedStorageNode, 'connections' | 'itemBytes'>) {
    this.#node = node
  }

  /** @throws NodeUnreachableError, ClosedError */
  pieceBytes(valueBytes: number): number | Promise<number> {
    if (this.#known?.connections === this.#node.connections) return this.#known.pieceBytes
    if (valueBytes <= SURE_BYTES) return SURE_BYTES
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(): Promise<number> {
    const itemBytes = await this.#node.itemBytes().catch(asUnknown)
    const pieceBytes = itemBytes === undefined ? defaultMaxValueBytes : itemBytes - Math.min(RESERVED, itemBytes / 2)
    this.#known = {
      connections: this.#node.connections,
      pieceBytes: Math.min(Math.floor(pieceBytes), defaultMaxValueBytes),
    }
    return this.#known.pieceBytes
  }
}

/* A proxy need not know the question. */
function asUnknown(error: unknown): undefined {
  if (error instanceof NodeRefusedError && error.refuses === 'operation') return undefined
  throw error
}
