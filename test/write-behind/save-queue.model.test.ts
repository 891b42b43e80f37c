import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SessionState } from '../../src/local/session-state.js'
import { systemRandom } from '../../src/random.js'
import { jsonCodec } from '../../src/record/codecs/json.js'
import { createManualClock } from '../../src/testing/manual-clock.js'
import { SaveQueue, type SaveResult } from '../../src/write-behind/save-queue.js'
import { testStamp } from '../support/sections.js'

const rules = { codec: jsonCodec, codecs: new Map([['json', jsonCodec]]), filter: undefined }
const times = { createdAt: 0, accessedAt: 0, idleTimeout: 0, absoluteDeadline: 0 }
const sessions = 5
const places = [{ id: 'n1' }, { id: 'n2' }, undefined] as never[]

const which = fc.integer({ min: 0, max: sessions - 1 })
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('change' as const), which, length: fc.nat(500) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      which: fc.nat(20),
      result: fc.constantFrom<SaveResult>('done', 'done', 'done', 'retry', 'parked', 'rejected'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 1500 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('move' as const), which, place: fc.nat(places.length - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), which }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Save {
  state: SessionState
  place: unknown
  /** The content that this save stores: as it was when the save began. */
  changedAt: number
  resolve: (result: SaveResult) => void
}

/** The queue with saves that end when told, and what must be true of it. */
class Trial {
  private readonly delay: number
  readonly states = Array.from({ length: sessions }, (_, i) => new SessionState(`s${i}`, undefined, times))
  readonly stored = new Map<SessionState, number>()
  /** Sessions that the queue owes nothing: dropped, given up, or not changed since. */
  readonly excused = new Set<SessionState>()
  readonly limit = 2
  private waits = 0
  private settled = 0
  private moved = false
  private readonly violations: string[] = []
  private readonly running: Save[] = []
  private readonly queue = new SaveQueue({
    clock: createManualClock(),
    random: systemRandom,
    save: (state) => this.begin(state),
    concurrency: () => this.limit,
    maxPendingBytes: () => 800,
    delay: () => this.delay,
    onRetry: () => {},
  })

  constructor(delay: number) {
    this.delay = delay
  }

  async run(steps: readonly Step[]): Promise<void> {
    vi.clearAllTimers()
    for (const step of steps) {
      await this.take(step)
      this.check()
    }
    await this.finish()
  }

  private async take(step: Step): Promise<void> {
    if (step.kind === 'pass') vi.advanceTimersByTime(step.ms)
    else if (step.kind === 'answer') return this.answer(step.which, step.result)
    else {
      const state = this.states[step.which] as SessionState
      if (step.kind === 'change') this.change(state, step.length)
      if (step.kind === 'move') {
        this.moved = true
        state.relocate(places[step.place])
      }
      if (step.kind === 'wait') this.wait(this.queue.settled(state))
      if (step.kind === 'drop') {
        this.excused.add(state)
        this.queue.drop(state)
      }
    }
  }

  private change(state: SessionState, length: number): void {
    state.attributes.set('data', `${state.changedAt} ${'x'.repeat(length)}`)
    state.commit([], rules, () => {}, testStamp, '')
    this.excused.delete(state)
    this.queue.add(state)
    if (!this.queue.hasRoom) this.wait(this.queue.room())
  }

  private wait(promise: Promise<unknown>): void {
    this.waits++
    void promise.then(() => this.settled++)
  }

  private begin(state: SessionState): Promise<SaveResult> {
    if (this.running.some((save) => save.state === state)) this.violations.push('two saves of one session')
    return new Promise((resolve) => {
      this.running.push({ state, place: state.node, changedAt: state.changedAt, resolve })
      const there = this.running.filter((save) => save.place === state.node).length
      /* A session that moves between being queued and being saved counts where it was queued. */
      if (there > this.limit && !this.moved) this.violations.push(`${there} saves on one node`)
    })
  }

  private async answer(which: number, result: SaveResult): Promise<void> {
    const save = this.running[which % Math.max(1, this.running.length)]
    if (save === undefined) return
    this.running.splice(this.running.indexOf(save), 1)
    if (result === 'done') this.stored.set(save.state, Math.max(save.changedAt, this.stored.get(save.state) ?? 0))
    if (result === 'parked' || (result === 'rejected' && save.changedAt === save.state.changedAt))
      this.excused.add(save.state)
    save.resolve(result)
    await new Promise((go) => setImmediate(go))
  }

  private check(): void {
    expect(this.violations).toEqual([])
    expect(this.queue.pendingBytes).toBeGreaterThanOrEqual(0)
    expect(this.queue.size).toBeLessThanOrEqual(sessions)
    if (this.queue.size === 0) expect(this.queue.pendingBytes).toBe(0)
    expect(this.queue.hasRoom).toBe(this.queue.pendingBytes <= 800)
  }

  /** Lets everything that is pending succeed: then nothing is owed any more. */
  private async finish(): Promise<void> {
    for (let round = 0; round < 200 && this.queue.size > 0; round++) {
      vi.advanceTimersByTime(1100)
      await this.answer(0, 'done')
      this.check()
    }
    await this.queue.idle()
    /* A delay that began for an entry that has gone since runs out once, and does nothing. */
    vi.advanceTimersByTime(this.delay)
    await new Promise((go) => setImmediate(go))
    expect([this.queue.size, this.queue.pendingBytes, this.queue.oldestAge, this.running.length]).toEqual([0, 0, 0, 0])
    expect(this.settled, 'nobody waits for ever').toBe(this.waits)
    expect(vi.getTimerCount()).toBe(0)
    for (const state of this.states) {
      if (this.excused.has(state)) continue
      expect(this.stored.get(state) ?? 0, 'the newest content is stored').toBe(state.changedAt)
    }
  }
}

describe('the write-behind queue under random use', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('stores the newest of every session in order and in bounds, and its bytes add up to nothing in the end (W8)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(0, 5), fc.array(step, { maxLength: 80 }), async (delay, steps) => {
        await new Trial(delay).run(steps)
      }),
      { numRuns: 500 },
    )
  })
})
