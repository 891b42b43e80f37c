export interface WaitForOptions {
  /** Milliseconds. Default: 5000. */
  timeout?: number
  /** Milliseconds between two looks. Default: 10. */
  interval?: number
  /** What is waited for, for the error. */
  message?: string
}

let least = 0

/**
 * From now on every wait of this process lasts at least so long before it is given up: for a machine that is slower than
 * a time-out expected. A wait whose condition comes true is none the longer for it.
 *
 * @param ms milliseconds; 0: the time-outs as they are given
 */
export function waitAtLeast(ms: number): void {
  least = ms
}

/**
 * Waits until the condition gives something truthy, and returns that. A condition that throws is one that doesn't hold yet.
 *
 * @throws Error after the time-out, with the last error of the condition as its cause
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitForOptions = {},
): Promise<NonNullable<T>> {
  const { interval = 10, message = 'the condition' } = options
  const timeout = Math.max(options.timeout ?? 5000, least)
  const end = performance.now() + timeout
  let cause: unknown
  do {
    try {
      const result = await condition()
      if (result) return result
      cause = undefined
    } catch (error) {
      cause = error
    }
    await new Promise((resolve) => setTimeout(resolve, interval))
  } while (performance.now() < end)
  const reason = cause instanceof Error ? `: ${cause.message}` : ''
  throw new Error(`waited ${timeout} ms in vain for ${message}${reason}`, { cause })
}
