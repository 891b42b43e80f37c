import { hash } from 'node:crypto'
import type { Fence } from '../storage-node.js'

/**
 * A value's state on Redis: a digest of its bytes, which a script compares with what stands there.
 *
 * Sound as a fence, because equal bytes are the equal state: stored records carry their version and a writer, so no two
 * writes of different content have the same bytes, and a value that was removed and written again with the same bytes is
 * as good as never removed. It needs no envelope around the value, and it holds across connections, restarts and
 * failovers. SHA-1 is what the server's Lua has; nobody gains from a collision, since whoever could write both values
 * has no fence to break.
 */
export class ContentFence {
  readonly digest: string

  constructor(bytes: Uint8Array) {
    this.digest = hash('sha1', bytes, 'hex')
  }

  /** The digest that a fence stands for; `undefined` when it is not one of ours. */
  static digestOf(fence: Fence): string | undefined {
    return fence instanceof ContentFence ? fence.digest : undefined
  }
}
