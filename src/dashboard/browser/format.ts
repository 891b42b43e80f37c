const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const oneDigit = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })
const twoDigits = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })

/** What stands where a figure is not known. */
export const unknown = '–'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export function formatCount(value: number | undefined): string {
  return value === undefined ? unknown : whole.format(value)
}

/** A figure a second: one digit after the point until it is large. */
export function formatRate(value: number | null | undefined): string {
  if (value === undefined || value === null) return unknown
  return value === 0 || value >= 100 ? whole.format(value) : oneDigit.format(value)
}

/** Milliseconds, in the unit that fits: `0.42 ms`, `12 ms`, `3.4 s`, `5 min`, `2 h 5 min`, `3 d 4 h`. */
export function formatDuration(ms: number | null | undefined): string {
  if (ms === undefined || ms === null) return unknown
  if (ms === 0) return '0 ms'
  if (ms < 10) return `${twoDigits.format(ms)} ms`
  if (ms < SECOND) return `${whole.format(ms)} ms`
  if (ms < MINUTE) return `${oneDigit.format(ms / SECOND)} s`
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`
  return ms < DAY ? inTwo(ms, HOUR, 'h', MINUTE, 'min') : inTwo(ms, DAY, 'd', HOUR, 'h')
}

function inTwo(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small)
  return `${Math.floor(ms / large)} ${largeName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`
}

export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return unknown
  if (bytes < 1000) return `${bytes} B`
  return bytes < 1e6 ? `${oneDigit.format(bytes / 1000)} kB` : `${oneDigit.format(bytes / 1e6)} MB`
}

const isoDate = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/

/** A point in time by the clock of whoever looks, in a form that sorts. */
export function formatTime(iso: string): string {
  return new Date(iso).toLocaleString('sv-SE')
}

/** A value of any kind, as it stands in lists of settings and meta data. */
export function formatValue(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'none'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(formatValue).join(', ')
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'object') return JSON.stringify(value)
  return typeof value === 'string' && isoDate.test(value) ? formatTime(value) : String(value)
}

/** `lastAccessedAt`, `BackupTimeout` as words: `last accessed at`, `backup timeout`. */
export function formatName(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}
