import type { Timer } from '../../src/clock.js'
import type { RandomSource } from '../../src/random.js'

/** Where simulated time begins: a whole second, in milliseconds since the epoch. */
export const beginning = Date.UTC(2026, 0, 1)

/** Something that happens at a time; cancelled, it does not. */
export class Happening implements Timer {
  readonly time: number
  readonly order: number
  run: (() => void) | undefined

  constructor(time: number, order: number, run: () => void) {
    this.time = time
    this.order = order
    this.run = run
  }

  unref(): this {
    return this
  }
}

/** A generator with a seed (mulberry32): the same seed gives the same history. */
export class SeededRandom implements RandomSource {
  private state: number

  constructor(seed: number) {
    this.state = seed | 0
  }

  fraction(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => Math.floor(this.fraction() * 256)))
  }

  between(least: number, most: number): number {
    return least + this.fraction() * (most - least)
  }
}

/** Simulated time: what is to happen, in order. Between two happenings all promises that can settle do. */
export class World {
  readonly random: SeededRandom
  private time = beginning
  private orders = 0
  private readonly heap: Happening[] = []

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  get now(): number {
    return this.time
  }

  after(ms: number, run: () => void): Happening {
    const happening = new Happening(this.time + Math.max(0, ms), this.orders++, run)
    this.push(happening)
    return happening
  }

  /** Resolves when that much time has passed in the simulation. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  /** Lets time pass. */
  async run(ms: number): Promise<void> {
    const end = this.time + ms
    await settle()
    for (let next = this.heap[0]; next !== undefined && next.time <= end; next = this.heap[0]) {
      this.pop()
      const { run } = next
      if (run === undefined) continue
      this.time = next.time
      run()
      await settle()
    }
    this.time = end
  }

  private push(happening: Happening): void {
    const { heap } = this
    let at = heap.length
    heap.push(happening)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(happening, heap[parent] as Happening)) break
      heap[at] = heap[parent] as Happening
      at = parent
    }
    heap[at] = happening
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop() as Happening
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Happening, heap[child] as Happening)) child++
      if (!isBefore(heap[child] as Happening, last)) break
      heap[at] = heap[child] as Happening
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.time === b.time ? a.order < b.order : a.time < b.time
}

/* Promises settle before the event loop's next turn, however long their chain is. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
