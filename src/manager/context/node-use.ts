import type { Clock } from '../../clock.js'

/** Servers tell again that they use a node when nobody has done so for so many milliseconds. */
const TELL_EVERY = 5000
/** Nobody uses a node of which nobody has told for so many milliseconds: longer than two exchanges of the notes. */
const USED_FOR = 40_000
/** What nobody has told for so long is forgotten, in milliseconds. It is compared by the servers' clocks, so it is long. */
const KEEP_FOR = 3_600_000
/** Added to the number of a node that nobody can use any more: so it is greater than whatever anybody tells of it, and all get to know. */
const GONE = 2 ** 46
/** So many servers behind one node's name are remembered: it may lose what it has, and so get another birth, again and again. */
const MAX_BIRTHS = 8

/**
 * Which storage nodes the servers of a cluster use: their lists may differ for a while. A node is its name and what its note calls its birth, as two servers may
 * know two nodes by one name. Each use is a number that grows as long as anybody tells; so no clocks are compared.
 */
export class NodeUse {
  private readonly clock: Clock
  private readonly told = new Map<string, { value: number; grewAt: number }>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** This server uses the node. */
  tell(name: string, birth: string): void {
    const key = `${name} ${birth}`
    const last = this.told.get(key)
    if (last !== undefined && this.clock.monotonic() - last.grewAt < TELL_EVERY) return
    this.grow(key, Math.max(Math.floor(this.clock.now()), (last?.value ?? 0) + 1))
  }

  /** Takes in what others have told. */
  join(theirs: Iterable<readonly [string, number]>): void {
    for (const [key, value] of theirs) if (value > (this.told.get(key)?.value ?? 0)) this.grow(key, value)
    this.forget()
  }

  /** Whether anybody, this server included, has told lately that he uses the node. */
  isUsed(name: string, birth: string): boolean {
    const last = this.told.get(`${name} ${birth}`)
    return last !== undefined && last.value < GONE && this.clock.monotonic() - last.grewAt < USED_FOR
  }

  /** The births of the nodes in use by that name. */
  birthsOf(name: string): string[] {
    return [...this.told.keys()]
      .filter((key) => key.startsWith(`${name} `))
      .map((key) => key.slice(name.length + 1))
      .filter((birth) => this.isUsed(name, birth))
  }

  /** The node's server has lost what it had, or another one has taken its place: nobody can use it any more. */
  gone(name: string, birth: string): void {
    const key = `${name} ${birth}`
    const value = this.told.get(key)?.value ?? Math.floor(this.clock.now())
    if (value < GONE) this.grow(key, value + GONE)
  }

  entries(): Map<string, number> {
    return new Map(Array.from(this.told, ([key, { value }]) => [key, value]))
  }

  private grow(key: string, value: number): void {
    this.told.set(key, { value, grewAt: this.clock.monotonic() })
  }

  private forget(): void {
    const oldest = this.clock.now() - KEEP_FOR
    const births = new Map<string, number>()
    const all = Array.from(this.told, ([key, { value }]) => [key, value % GONE] as const)
    for (const [key, value] of all.sort(([, a], [, b]) => b - a)) {
      const name = key.slice(0, key.indexOf(' '))
      const count = (births.get(name) ?? 0) + 1
      births.set(name, count)
      if (value < oldest || count > MAX_BIRTHS) this.told.delete(key)
    }
  }
}
