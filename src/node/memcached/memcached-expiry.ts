/** Up to here memcached reads an expiry as seconds from now, above as a date: a plain 31 days would be a day in 1970. */
const longestRelativeExpiry = 30 * 24 * 60 * 60

/** The field has 32 bits. */
const largestExpiry = 0xffff_ffff

/**
 * memcached's expiry for an absolute deadline.
 *
 * @param deadline milliseconds since the epoch; 0: never
 * @param now milliseconds since the epoch
 * @returns seconds, rounded up and at least 1, because 0 would mean "never"; above 30 days a date in Unix seconds
 */
export function memcachedExpiry(deadline: number, now: number): number {
  if (deadline === 0) return 0
  const seconds = Math.ceil((deadline - now) / 1000)
  if (!(seconds > 1)) return 1
  if (seconds <= longestRelativeExpiry) return seconds
  return Math.min(Math.ceil(deadline / 1000), largestExpiry)
}
