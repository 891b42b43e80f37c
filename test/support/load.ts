import { waitFor } from '../../src/testing/index.js'
import type { Answer, Visitor } from './visitor.js'

export interface LoadReport {
  answers: number
  statuses: Set<number>
  /** Milliseconds, in the order of the answers. */
  latencies: number[]
  /** Answers 503: how many, and whether each of them said when to come again. */
  refused: { count: number; withRetryAfter: number }
  /** Requests that got no answer at all. */
  failures: number
  /** By visitor: the count in the last change that was answered with 200. */
  acknowledged: Map<Visitor, number>
}

export interface Load {
  readonly report: LoadReport
  /** Ends it and waits for the last answers. */
  stop(): Promise<LoadReport>
}

/** Every visitor counts up one attribute of its session, request after request, until it is stopped. */
export function startLoad(urlOf: (visitor: Visitor) => string, visitors: readonly Visitor[]): Load {
  const report: LoadReport = {
    answers: 0,
    statuses: new Set(),
    latencies: [],
    refused: { count: 0, withRetryAfter: 0 },
    failures: 0,
    acknowledged: new Map(visitors.map((visitor) => [visitor, 0])),
  }
  let stopped = false
  const work = visitors.map(async (visitor) => {
    for (let count = 1; !stopped; count++) await countUp(urlOf(visitor), visitor, count, report)
  })
  return {
    report,
    async stop() {
      stopped = true
      await Promise.all(work)
      return report
    },
  }
}

async function countUp(url: string, visitor: Visitor, count: number, report: LoadReport): Promise<void> {
  const started = performance.now()
  let answer: Answer
  try {
    answer = await visitor.post(`${url}/`, { count })
  } catch {
    report.failures++
    await new Promise((resolve) => setTimeout(resolve, 5))
    return
  }
  report.latencies.push(performance.now() - started)
  report.statuses.add(answer.status)
  report.answers++
  if (answer.status === 503) report.refused.count++
  if (answer.status === 503 && Number(answer.headers['retry-after']) > 0) report.refused.withRetryAfter++
  if (answer.status === 200) report.acknowledged.set(visitor, count)
}

/** Resolves when each of these visitors has been answered well so many times more. */
export async function answeredAgain({ report }: Load, times = 3, timeout = 30_000): Promise<void> {
  const before = new Map(report.acknowledged)
  const isAnswered = ([visitor, count]: [Visitor, number]) => count >= (before.get(visitor) ?? 0) + times
  await waitFor(() => [...report.acknowledged].every(isAnswered), { timeout, message: 'every visitor to be answered' })
}
