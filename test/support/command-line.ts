/** Reads what was given to a command of the tests; what can't be is told with the usage, and ends the process with 2. */
export function readerFor(usage: string) {
  function choice<T extends string>(name: string, value: string | undefined, all: readonly T[]): readonly T[] {
    if (value === undefined) return all
    const found = all.find((one) => one === value)
    return found === undefined ? fail(`--${name} is ${all.join(', ')}, not ${JSON.stringify(value)}`) : [found]
  }

  function number(name: string, value: string): number {
    const parsed = Number(value)
    return Number.isInteger(parsed) && parsed > 0
      ? parsed
      : fail(`--${name} is a whole number above 0, not ${JSON.stringify(value)}`)
  }

  function fail(message: string): never {
    console.error(`${message}\n\n${usage}`)
    process.exit(2)
  }

  return { choice, number }
}
