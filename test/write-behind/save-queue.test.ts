import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SessionState } from '../../src/local/session-state.js'
import { systemRandom } from '../../src/random.js'
import { jsonCodec } from '../../src/record/codecs/json.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { SaveQueue, type SaveResult } from '../../src/write-behind/save-queue.js'
import { sectionWith, testStamp } from '../support/sections.js'

const rules = { codec: jsonCodec, codecs: new Map([['json', jsonCodec]]), filter: undefined }
const times = { createdAt: 0, accessedAt: 0, idleTimeout: 0, absoluteDeadline: 0 }

function session(name: string, node?: string): SessionState {
  /* Stored before; new sessions have a test of their own. */
  const state = SessionState.fromRecord(
    name,
    undefined,
    { ...times, owner: '', cookie: '', attributes: stored, era: 0 },
    0,
  )
  if (node !== undefined) state.relocate(nodes(node))
  return state
}

const stored = sectionWith([{ name: 'data', codec: 'json', bytes: '""' }])

const known = new Map<string, never>()
function nodes(id: string): never {
  if (!known.has(id)) known.set(id, { id } as never)
  return known.get(id) as never
}

/** Makes the session's content this many bytes longer than an empty one, more or less. */
function fill(state: SessionState, length: number): void {
  state.attributes.set('data', 'x'.repeat(length))
  state.commit([], rules, () => {}, testStamp, '')
}

interface Save {
  state: SessionState
  attempt: number
  end(result: SaveResult): Promise<void>
}

let clock: ManualClock
let queue: SaveQueue
let concurrency: number
let limit: number
let delay: number
let retries: number
/** Saves that have begun and not ended, in the order of their beginning. */
let running: Save[]
/** Every save that has begun. */
let begun: string[]

beforeEach(() => {
  clock = createManualClock()
  concurrency = 2
  limit = 1000
  delay = 0
  retries = 0
  running = []
  begun = []
  queue = new SaveQueue({
    clock,
    random: systemRandom,
    save: (state, attempt) => start(state, attempt),
    concurrency: () => concurrency,
    maxPendingBytes: () => limit,
    delay: () => delay,
    onRetry: () => retries++,
  })
})

function start(state: SessionState, attempt: number): Promise<SaveResult> {
  begun.push(state.token)
  return new Promise((resolve) => {
    const save: Save = {
      state,
      attempt,
      end: async (result) => {
        running.splice(running.indexOf(save), 1)
        resolve(result)
        await new Promise((go) => setImmediate(go))
      },
    }
    running.push(save)
  })
}

const end = (result: SaveResult): Promise<void> => (running[0] as Save).end(result)

/** Whether a promise is settled by now, and with what. */
async function now<T>(promise: Promise<T>): Promise<T | 'open'> {
  await new Promise((go) => setImmediate(go))
  return Promise.race([promise, Promise.resolve('open' as const)])
}

describe('the write-behind queue', () => {
  it('has one entry a session, and saves it as it is when its turn comes: the newest wins (W8)', async () => {
    concurrency = 1
    const [first, second] = [session('first'), session('second')]
    queue.add(first)
    for (let i = 0; i < 10; i++) queue.add(second)
    expect([queue.size, begun]).toEqual([2, ['first']])
    await end('done')
    await end('done')
    expect([queue.size, begun]).toEqual([0, ['first', 'second']])
  })

  it('has one save a session under way, and saves once more what changed meanwhile (W8, W28)', async () => {
    const state = session('a')
    queue.add(state)
    for (let i = 0; i < 10; i++) queue.add(state)
    expect(running).toHaveLength(1)
    await end('done')
    expect([running.length, begun, queue.size]).toEqual([1, ['a', 'a'], 1])
    await end('done')
    expect([running.length, queue.size]).toEqual([0, 0])
  })

  it('takes the sessions in the order in which they came', async () => {
    concurrency = 1
    const names = Array.from({ length: 20 }, (_, i) => `s${i}`)
    for (const name of names) queue.add(session(name))
    while (running.length > 0) await end('done')
    expect(begun).toEqual(names)
  })

  it('has no more saves under way a node than allowed, and heeds it when that changes', async () => {
    for (let i = 0; i < 10; i++) queue.add(session(`s${i}`, 'n1'))
    expect(running).toHaveLength(2)
    concurrency = 5
    await end('done')
    expect(running).toHaveLength(5)
    concurrency = 1
    for (let i = 0; i < 4; i++) await end('done')
    expect(running).toHaveLength(1)
  })

  it('does not let a slow node hold back the others (W24)', async () => {
    for (let i = 0; i < 10; i++) queue.add(session(`slow${i}`, 'n1'))
    for (let i = 0; i < 10; i++) queue.add(session(`quick${i}`, 'n2'))
    const quick = (): Save | undefined => running.find(({ state }) => state.token.startsWith('quick'))
    for (let save = quick(); save !== undefined; save = quick()) await save.end('done')
    expect(begun.filter((name) => name.startsWith('quick'))).toHaveLength(10)
    expect(running).toHaveLength(2)
  })

  it('goes on with a session on another node when it moves there', async () => {
    const state = session('a', 'n1')
    queue.add(state)
    queue.add(state)
    concurrency = 1
    queue.add(session('b', 'n2'))
    state.relocate(nodes('n2'))
    await end('done')
    expect(running.map(({ state }) => state.token)).toEqual(['b'])
    await end('done')
    expect(running.map(({ state }) => state.token)).toEqual(['a'])
    await end('done')
    expect(queue.size).toBe(0)
  })
})

describe('a save that failed', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('is tried again after a rest that grows to a second, with the number of the attempt', async () => {
    queue.add(session('a'))
    const rests: number[] = []
    for (let attempt = 1; attempt <= 10; attempt++) {
      expect(running[0]?.attempt).toBe(attempt)
      await end('retry')
      expect([running.length, queue.size, retries]).toEqual([0, 1, attempt])
      let rest = 0
      while (running.length === 0 && rest < 2000) {
        vi.advanceTimersByTime(1)
        rest++
      }
      rests.push(rest)
    }
    rests.forEach((rest, i) => {
      const longest = Math.min(25 * 2 ** i, 1000)
      expect(rest, `rest ${i + 1}`).toBeGreaterThanOrEqual(Math.floor(longest / 2))
      expect(rest, `rest ${i + 1}`).toBeLessThanOrEqual(longest + 1)
    })
    await end('done')
    expect(queue.size).toBe(0)
  })

  it('does not hold a place while it rests, and is one entry still', async () => {
    concurrency = 1
    const state = session('a')
    queue.add(state)
    await end('retry')
    queue.add(session('b'))
    queue.add(state)
    expect([running.map(({ state }) => state.token), queue.size]).toEqual([['b'], 2])
    await end('done')
    vi.advanceTimersByTime(100)
    await end('done')
    expect([begun, queue.size]).toEqual([['a', 'b', 'a'], 0])
  })

  it('begins to count anew with the next change', async () => {
    const state = session('a')
    queue.add(state)
    await end('retry')
    vi.advanceTimersByTime(100)
    expect(running[0]?.attempt).toBe(2)
    queue.add(state)
    await end('done')
    expect(running[0]?.attempt).toBe(1)
    await end('done')
  })

  it('is given up when it is parked or rejected', async () => {
    for (const result of ['parked', 'rejected'] as const) {
      const state = session(result)
      queue.add(state)
      const settled = queue.settled(state)
      await end(result)
      expect([await settled, queue.size]).toEqual([result, 0])
    }
    vi.advanceTimersByTime(10_000)
    expect(begun).toHaveLength(2)
  })

  it('is not tried once more when the session was dropped meanwhile', async () => {
    const state = session('a')
    queue.add(state)
    queue.drop(state)
    await end('retry')
    vi.advanceTimersByTime(10_000)
    expect([begun, queue.size]).toEqual([['a'], 0])
  })

  it('is not tried once more after close, and leaves no timer', async () => {
    const state = session('a')
    queue.add(state)
    const settled = queue.settled(state)
    queue.close()
    await end('retry')
    expect(vi.getTimerCount()).toBe(0)
    expect([await now(settled), queue.size]).toEqual(['parked', 0])
  })
})

describe('a queue that gathers', () => {
  beforeEach(() => {
    delay = 5
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('sends what comes within the delay together, and the first waits no longer than that', () => {
    queue.add(session('a', 'n1'))
    vi.advanceTimersByTime(3)
    queue.add(session('b', 'n2'))
    expect([begun, queue.size]).toEqual([[], 2])
    vi.advanceTimersByTime(2)
    expect(begun).toEqual(['a', 'b'])
    queue.add(session('c', 'n3'))
    vi.advanceTimersByTime(4)
    expect(begun).toEqual(['a', 'b'])
    vi.advanceTimersByTime(1)
    expect(begun).toEqual(['a', 'b', 'c'])
  })

  it('sends a session that was never stored at once, and with it what waits', () => {
    queue.add(session('a', 'n1'))
    expect(begun).toEqual([])
    const fresh = new SessionState('new', undefined, times)
    fresh.settle(nodes('n2'))
    queue.add(fresh)
    expect(begun).toEqual(['a', 'new'])
  })

  it('sends it at once when somebody waits: for a session, for idleness or for room', () => {
    const state = session('a', 'n1')
    queue.add(state)
    void queue.settled(state)
    expect(begun).toEqual(['a'])
    queue.add(session('b', 'n2'))
    void queue.idle()
    expect(begun).toEqual(['a', 'b'])
    const large = session('c', 'n3')
    fill(large, 2000)
    queue.add(large)
    void queue.room()
    expect(begun).toEqual(['a', 'b', 'c'])
  })

  it('costs no second save when somebody asks for what was just added (sync mode)', async () => {
    const state = session('a')
    queue.add(state)
    queue.add(state)
    const settled = queue.settled(state)
    await end('done')
    expect([await now(settled), begun, queue.size]).toEqual(['done', ['a'], 0])
  })

  it('saves at once what changed meanwhile when somebody waits for it, whatever else is gathered', async () => {
    const state = session('a')
    queue.add(state)
    void queue.idle()
    queue.add(state)
    const settled = queue.settled(state)
    queue.add(session('b'))
    await end('done')
    expect([await now(settled), begun.filter((name) => name === 'a').length]).toEqual(['open', 2])
  })

  it('forgets a session that ends before it was sent', () => {
    const state = session('a')
    queue.add(state)
    queue.drop(state)
    vi.advanceTimersByTime(1000)
    expect([begun, queue.size, queue.pendingBytes]).toEqual([[], 0, 0])
  })

  it('leaves no timer when it is closed, and settles what was not sent', async () => {
    const state = session('a')
    queue.add(state)
    queue.close()
    expect([vi.getTimerCount(), queue.size, queue.pendingBytes]).toEqual([0, 0, 0])
    expect(await queue.settled(state)).toBe('done')
    vi.advanceTimersByTime(1000)
    expect(begun).toEqual([])
  })

  it('puts a session into the lane of the node that it is on when it is sent', () => {
    const state = session('a', 'n1')
    queue.add(state)
    state.relocate(nodes('n2'))
    queue.add(session('b', 'n1'))
    queue.add(session('c', 'n1'))
    vi.advanceTimersByTime(5)
    expect(begun).toEqual(['a', 'b', 'c'])
  })
})

describe('waiting for the queue', () => {
  it('is over at once for a session that nothing is pending for', async () => {
    expect(await queue.settled(session('a'))).toBe('done')
    await queue.idle()
    await queue.room()
  })

  it('is over when the session’s save is, with its result', async () => {
    const [one, other] = [session('one'), session('other')]
    queue.add(one)
    queue.add(other)
    const waits = [queue.settled(one), queue.settled(one), queue.settled(other)]
    expect(await now(waits[0] as Promise<SaveResult>)).toBe('open')
    await end('done')
    expect([await waits[0], await waits[1], await now(waits[2] as Promise<SaveResult>)]).toEqual([
      'done',
      'done',
      'open',
    ])
    await end('rejected')
    expect(await waits[2]).toBe('rejected')
  })

  it('covers a change that came during a save: the save after it counts', async () => {
    const state = session('a')
    queue.add(state)
    queue.add(state)
    const settled = queue.settled(state)
    await end('done')
    expect(await now(settled)).toBe('open')
    await end('done')
    expect(await settled).toBe('done')
  })

  it('does not last longer because the session goes on to change', async () => {
    const state = session('a')
    queue.add(state)
    queue.add(state)
    const settled = queue.settled(state)
    await end('done')
    queue.add(state)
    await end('done')
    expect(await now(settled)).toBe('done')
    await end('done')
  })

  it('is answered by the save under way when nothing changed since that began, else by the next one', async () => {
    const state = session('a')
    queue.add(state)
    const first = queue.settled(state)
    await end('done')
    expect([await now(first), queue.size]).toEqual(['done', 0])
    queue.add(state)
    const before = queue.settled(state)
    queue.add(state)
    const after = queue.settled(state)
    await end('rejected')
    expect(await Promise.all([now(before), now(after)])).toEqual(['open', 'open'])
    queue.add(state)
    const last = queue.settled(state)
    await end('done')
    expect(await Promise.all([now(before), now(after), now(last)])).toEqual(['done', 'done', 'open'])
    await end('done')
    expect([await now(last), queue.size]).toEqual(['done', 0])
  })

  it('is over for everybody when the session is parked, as no save follows', async () => {
    const state = session('a')
    queue.add(state)
    queue.add(state)
    const waits = [queue.settled(state), queue.settled(state)]
    await end('parked')
    expect([await Promise.all(waits), queue.size, begun]).toEqual([['parked', 'parked'], 0, ['a']])
  })

  it('lasts over retries', async () => {
    const state = session('a')
    queue.add(state)
    const settled = queue.settled(state)
    await end('retry')
    await waitFor(() => running.length === 1)
    expect(await now(settled)).toBe('open')
    await end('done')
    expect(await settled).toBe('done')
  })

  it('for idleness is over when the last entry is', async () => {
    queue.add(session('a'))
    queue.add(session('b'))
    const idle = queue.idle().then(() => 'idle')
    await end('done')
    expect(await now(idle)).toBe('open')
    await end('parked')
    expect(await idle).toBe('idle')
  })

  it('for room is over when enough bytes have been stored', async () => {
    concurrency = 1
    const states = ['a', 'b', 'c'].map((name) => session(name))
    for (const state of states) {
      fill(state, 600)
      queue.add(state)
    }
    expect(queue.hasRoom).toBe(false)
    const room = queue.room().then(() => 'room')
    await end('done')
    expect(await now(room)).toBe('open')
    await end('done')
    expect([await now(room), queue.hasRoom]).toEqual(['room', true])
    await end('done')
  })

  it('tells the age of the oldest entry', async () => {
    concurrency = 1
    expect(queue.oldestAge).toBe(0)
    queue.add(session('a'))
    clock.advance(100)
    queue.add(session('b'))
    clock.advance(50)
    expect(queue.oldestAge).toBe(150)
    await end('done')
    expect(queue.oldestAge).toBe(50)
    await end('done')
    expect(queue.oldestAge).toBe(0)
  })
})

describe('sessions that end while they wait', () => {
  it('are forgotten, and those who wait for them go on', async () => {
    concurrency = 1
    queue.add(session('a'))
    const state = session('b')
    queue.add(state)
    const settled = queue.settled(state)
    queue.drop(state)
    expect([await settled, queue.size]).toEqual(['done', 1])
    await end('done')
    expect(begun).toEqual(['a'])
  })

  it('are not saved once more when a save was under way', async () => {
    const state = session('a')
    queue.add(state)
    queue.add(state)
    queue.drop(state)
    await end('done')
    expect([begun, queue.size]).toEqual([['a'], 0])
  })

  it('are no trouble when nothing is pending for them', () => {
    queue.drop(session('a'))
    expect(queue.size).toBe(0)
  })
})

describe('closing the queue', () => {
  it('drops what is not under way, and tells those who wait', async () => {
    concurrency = 1
    const [running, waiting] = [session('running'), session('waiting')]
    queue.add(running)
    queue.add(running)
    queue.add(waiting)
    const waits = [queue.settled(running), queue.settled(waiting)]
    queue.close()
    expect([await waits[1], queue.size]).toEqual(['parked', 1])
    await end('done')
    expect([await waits[0], queue.size, queue.pendingBytes, begun]).toEqual(['done', 0, 0, ['running']])
  })

  it('ends the rests of entries that failed', async () => {
    const state = session('a')
    queue.add(state)
    const settled = queue.settled(state)
    await end('retry')
    queue.close()
    expect([await settled, queue.size]).toEqual(['parked', 0])
  })
})
