import { EndedTokens } from '../../local/ended-tokens.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { tokenDigest } from '../../session-id/session-id.js'
import type { ManagerContext } from '../context/manager-context.js'
import type { RecordStore } from './record-store.js'

/** How long an id that was found nowhere is answered with one look alone, in milliseconds. */
const REMEMBER_MISS = 2000

/** Genuine ids that were found nowhere a moment ago: whoever sends them again and again does not cost a look at all nodes each time. */
export class RememberedMisses {
  private readonly context: ManagerContext
  private readonly storage: RecordStore
  private readonly tokens = new EndedTokens()

  constructor(context: ManagerContext, storage: RecordStore) {
    this.context = context
    this.storage = storage
  }

  has(token: string): boolean {
    return this.tokens.has(token, this.context.clock.now())
  }

  add(token: string): void {
    this.tokens.add(token, this.context.clock.now() + REMEMBER_MISS)
  }

  delete(token: string): void {
    this.tokens.delete(token)
  }

  /**
   * One that another server was about to store a moment ago is on its first node by now; only that one is asked.
   * @returns whether it has to be looked for. Never rejects.
   */
  async mayBeThere(token: string, hint: WatchedNode | undefined): Promise<boolean> {
    const first = hint ?? this.context.placement.choose(token)
    const isThere = await first
      ?.get(this.storage.key(tokenDigest(token)))
      .then((value) => value !== undefined)
      .catch(() => true)
    if (isThere === false) {
      this.context.statistics.count('rememberedMisses')
      return false
    }
    this.tokens.delete(token)
    return true
  }
}
