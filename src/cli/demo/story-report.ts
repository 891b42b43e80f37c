import { table } from '../terminal.js'

export interface Row {
  step: string
  sessions: string
  result: string
  ms: number
}

const SHOWN_PROBLEMS = 20

/** What the story has found so far: a row a step, the sessions that were lost, and everything that didn't hold. */
export class StoryReport {
  readonly rows: Row[] = []
  readonly #lost = new Set<number>()
  readonly #problems: string[] = []
  requests = 0
  failedRequests = 0

  get held(): boolean {
    return this.#problems.length === 0
  }

  expect(holds: boolean, problem: string): void {
    if (!holds) this.#problems.push(problem)
  }

  lostSession(visitor: number, how: string): void {
    this.#lost.add(visitor)
    this.#problems.push(`visitor ${visitor}: ${how}`)
  }

  failedRequest(visitor: number, how: string): void {
    this.failedRequests += 1
    this.#problems.push(`visitor ${visitor}: ${how}`)
  }

  print(retries: number): string {
    const more = this.#problems.length - SHOWN_PROBLEMS
    return [
      '',
      rowsAsText(this.rows),
      `sessions lost     ${this.#lost.size}`,
      `requests failed   ${this.failedRequests}  (of ${this.requests}; the balancer tried ${retries} again)`,
      ...this.#problems.slice(0, SHOWN_PROBLEMS).map((problem) => `FAIL  ${problem}`),
      ...(more > 0 ? [`FAIL  … and ${more} more`] : []),
      this.held ? 'Everything held.' : 'Something did not hold.',
    ].join('\n')
  }
}

function rowsAsText(rows: readonly Row[]): string {
  const cells = rows.map(({ step, sessions, result, ms }) => [step, sessions, result, `${Math.round(ms)} ms`])
  const head = ['step', 'sessions', 'result', 'time']
  const rule = head.map((_, column) => '-'.repeat(Math.max(...[head, ...cells].map((row) => row[column]?.length ?? 0))))
  return table([head, rule, ...cells])
}
