import { describe, expect, it } from 'vitest'
import { KnownSession } from '../../src/local/copy-index.js'
import { type Listed, type ListOrder, SessionPages } from '../../src/mbeans/session-pages.js'

/** Sessions whose figures are in no order; many of them are equal. */
function sessionsOf(count: number): KnownSession[] {
  return Array.from({ length: count }, (_, at) => {
    const session = new KnownSession(`token-${at}`)
    session.accessedAt = (at * 7919) % 1009
    session.expiresAt = at % 3 === 0 ? Number.POSITIVE_INFINITY : (at * 104_729) % 997
    return session
  })
}

/** Pages of them, that count the steps between two pauses. */
function pagesOf(sessions: readonly Listed[], onPause: () => void = () => {}) {
  const walk = { steps: 0, longest: 0, pauses: 0, walks: 0 }
  const source = {
    size: sessions.length,
    *all() {
      walk.walks++
      for (const session of sessions) {
        walk.longest = Math.max(walk.longest, ++walk.steps)
        yield session
      }
    },
  }
  const pause = async (): Promise<void> => {
    walk.pauses++
    walk.steps = 0
    onPause()
  }
  return { pages: new SessionPages(source, pause), walk }
}

const accessed = (page: { sessions: { accessedAt: Date }[] }) => page.sessions.map((s) => s.accessedAt.getTime())

describe('pages of the sessions', () => {
  it.each([0, 1, 499, 500, 501, 1000, 3001])('are in order, without a gap, for %i sessions', async (count) => {
    const sessions = sessionsOf(count)
    const { pages } = pagesOf(sessions)
    const expected = sessions.map((s) => s.accessedAt).sort((a, b) => b - a)
    const all: number[] = []
    for (let offset = 0; offset < count; offset += 700) all.push(...accessed(await pages.page(offset, 700, 'accessed')))
    expect(all).toEqual(expected)
    const { sessions: byEnd, total } = await pages.page(0, count + 1, 'expires')
    expect(total).toBe(count)
    const ends = byEnd.map(({ expiresAt }) => expiresAt?.getTime() ?? Number.POSITIVE_INFINITY)
    expect(ends).toEqual([...ends].sort((a, b) => (a === b ? 0 : a - b)))
  })

  it.each<ListOrder>(['recorded', 'accessed', 'expires', 'size'])(
    'by %s of 100,000 are made in slices, once for all who ask at the same time',
    async (order) => {
      const { pages, walk } = pagesOf(sessionsOf(100_000))
      const asked = Array.from({ length: 10 }, () => pages.page(99_000, 100, order))
      const answers = await Promise.all(asked)
      expect(answers.map(({ sessions }) => sessions.length)).toEqual(Array.from({ length: 10 }, () => 100))
      expect(walk).toMatchObject({ walks: 1, longest: 2000 })
      expect(walk.pauses).toBeGreaterThan(order === 'recorded' ? 40 : 200)
    },
  )

  it('of few sessions are as they are now', async () => {
    const sessions = sessionsOf(10)
    const { pages } = pagesOf(sessions)
    await pages.page(0, 10, 'accessed')
    const added = new KnownSession('added')
    added.accessedAt = 1e6
    sessions.push(added)
    expect(accessed(await pages.page(0, 1, 'accessed'))).toEqual([1e6])
  })

  it('name a session once that moves to the end while the list is made', async () => {
    const sessions: Listed[] = sessionsOf(5000)
    const { pages } = pagesOf(sessions, () => {
      if (sessions.length === 5000) sessions.push(sessions[0] as Listed)
    })
    const { total } = await pages.page(0, 1, 'recorded')
    expect(total).toBe(5000)
  })

  it('of more than 100,000 can not be sorted, and are walked through as they are recorded', async () => {
    const { pages, walk } = pagesOf(sessionsOf(100_001))
    await expect(pages.page(0, 1, 'size')).rejects.toThrow("more than 100000 sessions can't be sorted")
    const page = await pages.page(100_000, 5, 'recorded')
    expect(page).toMatchObject({ total: 100_001, offset: 100_000 })
    expect(page.sessions).toHaveLength(1)
    expect(walk.longest).toBeLessThanOrEqual(2001)
  })
})
