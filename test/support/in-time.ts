/** Time that has passed too quickly for a step of a scenario. */
class TooSlow extends Error {}

/** Says that a step which began at `since` (of `performance.now()`) is over within `ms` milliseconds. */
export type Within = (ms: number, since: number) => void

/**
 * Plays a scenario whose steps have to come within a lifetime. Where the machine stalled for longer, what was seen shows
 * nothing: then it is played anew, with a lifetime that is twice as long.
 *
 * @param life milliseconds, for the first time
 * @param play calls `within` after a step, before it judges what it saw
 */
export async function inTime(life: number, play: (life: number, within: Within) => Promise<void>): Promise<void> {
  const within: Within = (ms, since) => {
    if (performance.now() - since >= ms) throw new TooSlow(`a step took longer than ${ms} ms`)
  }
  for (let longer = life; ; longer *= 2) {
    try {
      return await play(longer, within)
    } catch (error) {
      if (!(error instanceof TooSlow) || longer >= 8 * life) throw error
    }
  }
}
