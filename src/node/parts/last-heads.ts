import type { PartsHead } from './parts-head.js'

const MAX_HEADS = 1000

/** The heads that were last seen under their keys: for whoever replaces what is there without having read it. Bounded. */
export class LastHeads {
  /** In the order in which they were seen. */
  readonly #heads = new Map<string, PartsHead>()

  get(key: string): PartsHead | undefined {
    return this.#heads.get(key)
  }

  note(key: string, head: PartsHead): void {
    this.#heads.delete(key)
    this.#heads.set(key, head)
    if (this.#heads.size <= MAX_HEADS) return
    const [oldest] = this.#heads.keys()
    if (oldest !== undefined) this.#heads.delete(oldest)
  }

  /** That one is not there any more. */
  forget(key: string, head: PartsHead): void {
    if (this.#heads.get(key) === head) this.#heads.delete(key)
  }
}
