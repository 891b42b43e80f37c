/**
 * The value below which the given share of the values lies, interpolated between neighbours.
 *
 * @param {ArrayLike<number>} values at least one
 * @param {number} share 0 to 1
 */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort()
  const position = (sorted.length - 1) * share
  const below = Math.floor(position)
  const above = Math.ceil(position)
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below)
}

/** @param {ArrayLike<number>} values at least one */
export function median(values) {
  return quantile(values, 0.5)
}
