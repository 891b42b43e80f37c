/** A server that never stops to tell is not to fill the memory. */
const MAX_FIGURES = 1000

/** The answer to `stats` as it comes in: a figure in each reply. */
export class IncomingFigures {
  #figures = new Map<string, string>()

  add(name: string, value: string): void {
    if (this.#figures.size < MAX_FIGURES) this.#figures.set(name, value)
  }

  /** What came so far; the next answer begins. */
  take(): ReadonlyMap<string, string> {
    const figures = this.#figures
    this.#figures = new Map()
    return figures
  }
}
