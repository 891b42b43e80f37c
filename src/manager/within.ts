/**
 * Waits for work that goes on by itself, for at most `timeout` milliseconds. The work must not reject.
 * @returns whether it was done in time.
 */
export function within(work: Promise<unknown>, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), timeout)
    work.then(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
