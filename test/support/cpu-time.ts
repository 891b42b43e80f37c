/** Milliseconds of computing that the work takes in this process: what else the machine does makes no difference. */
export function cpuTime(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
