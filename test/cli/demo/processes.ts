/** The processes that a demo says it has started. */
export function pidsIn(log: string): number[] {
  return [...log.matchAll(/ started +pid=(\d+)/g)].map((match) => Number(match[1]))
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
