import type { SessionState } from '../../local/session-state.js'

/**
 * All work that waits for the storage on behalf of one session goes through that session's own line, one step at a time: a step sees what
 * the one before has found out, and no two of them answer for each other. A step must be bounded in time, and must not wait for another one of
 * the same session.
 */
export class SessionLines {
  /** The last step of each session that has any. */
  private readonly last = new Map<SessionState, Promise<unknown>>()

  /** Runs a step after those that are under way or wait; at once when there are none. */
  run<T>(state: SessionState, step: () => Promise<T>): Promise<T> {
    const before = this.last.get(state)
    const turn = before === undefined ? step() : before.then(step)
    const over: Promise<void> = turn.then(nothing, nothing).then(() => {
      if (this.last.get(state) === over) this.last.delete(state)
    })
    this.last.set(state, over)
    return turn
  }
}

function nothing(): void {}
