import { DemoError } from './demo-error.js'

/** Settles as `work` does, or rejects after `ms` milliseconds. `work` itself goes on. */
export async function within<T>(ms: number, work: Promise<T>, error?: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error?.() ?? new DemoError(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Asks again and again until `holds` says true; rejects with what was waited for after `ms` milliseconds. */
export async function until(what: string, ms: number, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + ms
  while (!(await holds())) {
    if (Date.now() > deadline) throw new DemoError(`waited ${ms} ms in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
