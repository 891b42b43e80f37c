const milliseconds = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

type Unit = keyof typeof milliseconds

const form = /^(\d{1,16}(?:\.\d{1,6})?)(?: ?(ms|s|m|h|d|w))?$/

/**
 * Reads a duration: `100ms`, `10s`, `30m`, `1.5h`, `7d`, `2w`, or a number of milliseconds (as number or text).
 * Gives whole milliseconds; `undefined`: not a duration.
 */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string') return undefined
  const match = form.exec(value.trim())
  if (match === null) return undefined
  const result = Math.round(Number(match[1]) * milliseconds[(match[2] ?? 'ms') as Unit])
  return Number.isSafeInteger(result) ? result : undefined
}

/** Prints milliseconds in the largest unit that leaves a whole number: `1800000` is `30m`. */
export function formatDuration(duration: number): string {
  const units: Unit[] = ['d', 'h', 'm', 's']
  const unit = duration === 0 ? 'ms' : (units.find((u) => duration % milliseconds[u] === 0) ?? 'ms')
  return `${duration / milliseconds[unit]}${unit}`
}
