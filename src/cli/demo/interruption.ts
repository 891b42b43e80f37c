const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface Interruption {
  /** Resolves at the first Ctrl-C (or SIGTERM, or when the terminal closes). */
  readonly happened: Promise<'interrupted'>
  /** Gives the signals back to the process. */
  end(): void
}

/** `onSecond` is called when somebody doesn't want to wait for the orderly end. */
export function watchForInterruption(onSecond: () => void): Interruption {
  let count = 0
  let settle: (value: 'interrupted') => void = () => {}
  const happened = new Promise<'interrupted'>((resolve) => {
    settle = resolve
  })
  const interrupt = (): void => {
    count += 1
    if (count === 1) settle('interrupted')
    else onSecond()
  }
  for (const signal of SIGNALS) process.on(signal, interrupt)
  return {
    happened,
    end: () => {
      for (const signal of SIGNALS) process.off(signal, interrupt)
    },
  }
}
