import type { Sample } from './rates.js'

/** Seconds that the charts look back. */
export const HISTORY_SECONDS = 300
/** After so many seconds without a figure the line is broken: nobody knows what was in between. */
const GAP_SECONDS = 5

/** The samples of the last minutes. */
export class History {
  private samples: { time: number; sample: Sample }[] = []

  /** @param time seconds since the epoch. */
  push(time: number, sample: Sample): void {
    const last = this.samples.at(-1)
    if (last !== undefined && time - last.time > GAP_SECONDS) this.samples.push({ time: last.time + 1, sample: {} })
    this.samples.push({ time, sample })
    this.samples = this.samples.filter((entry) => time - entry.time <= HISTORY_SECONDS)
  }

  /** Times, and one column a name: what a chart takes. */
  columns(names: readonly string[]): [number[], ...(number | null)[][]] {
    const times = this.samples.map(({ time }) => time)
    return [times, ...names.map((name) => this.samples.map(({ sample }) => sample[name] ?? null))]
  }
}
