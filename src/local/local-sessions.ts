import type { Clock, Timer } from '../clock.js'
import { ExpiryWheel } from './expiry-wheel.js'
import type { SessionState } from './session-state.js'
import { SessionTally } from './session-tally.js'

/** Milliseconds between two looks for expired sessions. */
const SWEEP_INTERVAL = 1000
/** Sessions looked at in one go: the event loop belongs to the requests. */
const MAX_LOOKED = 500

/** The live sessions of this server, by token: the part of an id that relocation and takeover leave alone. */
export class LocalSessions {
  private readonly byToken = new Map<string, SessionState>()
  private readonly wheel: ExpiryWheel<SessionState>
  private readonly clock: Clock
  private timer: Timer | undefined
  private sweeping = false
  readonly tally = new SessionTally()

  constructor(clock: Clock) {
    this.clock = clock
    this.wheel = new ExpiryWheel(SWEEP_INTERVAL, clock.now())
  }

  get size(): number {
    return this.byToken.size
  }

  get(token: string): SessionState | undefined {
    return this.byToken.get(token)
  }

  add(state: SessionState): void {
    const before = this.byToken.get(state.token)
    if (before !== undefined && before !== state) this.letGo(before)
    this.byToken.set(state.token, state)
    state.countIn(this.tally)
    this.wheel.add(state)
  }

  remove(state: SessionState): void {
    if (this.byToken.get(state.token) !== state) return
    this.byToken.delete(state.token)
    this.letGo(state)
  }

  /** To be called when a session's end came nearer (its timeout was shortened). */
  reschedule(state: SessionState): void {
    if (this.byToken.get(state.token) === state) this.wheel.add(state)
  }

  values(): IterableIterator<SessionState> {
    return this.byToken.values()
  }

  /** Hands every session that expires to the callback, which removes it. */
  startSweeping(onExpired: (state: SessionState) => void): void {
    this.timer = this.clock.setInterval(() => {
      if (!this.sweeping) this.sweep(onExpired)
    }, SWEEP_INTERVAL)
    this.timer.unref()
  }

  close(): void {
    this.clock.clearInterval(this.timer)
    this.timer = undefined
  }

  private sweep(onExpired: (state: SessionState) => void): void {
    for (const state of this.wheel.sweep(this.clock.now(), MAX_LOOKED)) onExpired(state)
    this.sweeping = this.wheel.isBehind && this.timer !== undefined
    if (this.sweeping) this.clock.defer(() => this.sweep(onExpired))
  }

  private letGo(state: SessionState): void {
    this.wheel.remove(state)
    state.countIn(undefined)
  }
}
