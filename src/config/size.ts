const bytes = { b: 1, kb: 1000, mb: 1e6, gb: 1e9, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 } as const

type Unit = keyof typeof bytes

const form = /^(\d{1,16}(?:\.\d{1,6})?)(?: ?(b|kb|mb|gb|kib|mib|gib))?$/i

/**
 * Reads a size: `512KB`, `64MB` (powers of 1000), `1MiB` (powers of 1024), or a number of bytes (as number or text).
 * Gives whole bytes; `undefined`: not a size.
 */
export function parseSize(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string') return undefined
  const match = form.exec(value.trim())
  if (match === null) return undefined
  const result = Math.round(Number(match[1]) * bytes[(match[2] ?? 'b').toLowerCase() as Unit])
  return Number.isSafeInteger(result) ? result : undefined
}

const printed: [string, number][] = [
  ['GB', bytes.gb],
  ['GiB', bytes.gib],
  ['MB', bytes.mb],
  ['MiB', bytes.mib],
  ['KB', bytes.kb],
  ['KiB', bytes.kib],
]

/** Prints bytes in the largest unit that leaves a whole number: `64000000` is `64MB`. */
export function formatSize(size: number): string {
  const unit = printed.find(([, factor]) => size > 0 && size % factor === 0)
  return unit === undefined ? `${size}B` : `${size / unit[1]}${unit[0]}`
}
