/** What the list needs of its members: two links that belong to the list alone. */
export interface Linked<T> {
  older: T | undefined
  newer: T | undefined
}

/**
 * Items in the order of their last use, as a doubly linked list: every operation takes constant time. (Deleting from
 * and inserting into a `Map` for every use would leave holes that each search for its oldest key has to walk over.)
 *
 * It also carries one cursor that walks from old to new in small steps and survives any change of the list.
 */
export class RecencyList<T extends Linked<T>> {
  #oldest: T | undefined
  #newest: T | undefined
  #cursor: T | undefined

  get oldest(): T | undefined {
    return this.#oldest
  }

  append(item: T): void {
    item.older = this.#newest
    item.newer = undefined
    if (this.#newest === undefined) this.#oldest = item
    else this.#newest.newer = item
    this.#newest = item
  }

  remove(item: T): void {
    if (this.#cursor === item) this.#cursor = item.newer
    if (item.older === undefined) this.#oldest = item.newer
    else item.older.newer = item.newer
    if (item.newer === undefined) this.#newest = item.older
    else item.newer.older = item.older
    item.older = undefined
    item.newer = undefined
  }

  moveToNewest(item: T): void {
    if (this.#newest === item) return
    this.remove(item)
    this.append(item)
  }

  clear(): void {
    this.#oldest = undefined
    this.#newest = undefined
    this.#cursor = undefined
  }

  /** The item under the cursor, which moves on. After the newest it starts again at the oldest. */
  step(): T | undefined {
    const item = this.#cursor ?? this.#oldest
    this.#cursor = item?.newer
    return item
  }
}
