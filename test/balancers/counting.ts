import type { Visitor } from '../support/visitor.js'

export interface CountingReport {
  requests: number
  /** What was not as it should be: an answer other than 200, no answer, a count that is not the next one. */
  failures: string[]
}

export interface Counting {
  /** Requests so far. */
  readonly requests: number
  stop(): Promise<CountingReport>
}

/** Every visitor counts up in its session, request after request, and finds each time what it did before. */
export function startCounting(url: string, visitors: readonly Visitor[]): Counting {
  const report: CountingReport = { requests: 0, failures: [] }
  let stopped = false
  const work = visitors.map(async (visitor) => {
    let count: number | undefined
    while (!stopped) {
      count = await countUp(url, visitor, count, report)
      report.requests++
    }
  })
  return {
    get requests() {
      return report.requests
    },
    async stop() {
      stopped = true
      await Promise.all(work)
      return report
    },
  }
}

async function countUp(url: string, visitor: Visitor, before: number | undefined, report: CountingReport) {
  try {
    const answer = await visitor.post(url, {})
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`)
    const { count } = answer.json<{ count: number }>()
    if (before !== undefined && count !== before + 1) throw new Error(`${count} after ${before}`)
    return count
  } catch (error) {
    report.failures.push(String(error))
    return undefined
  }
}
