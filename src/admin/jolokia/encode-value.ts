/** Bounds of one answer, each above 0. */
export interface AnswerLimits {
  readonly depth: number
  readonly collection: number
  readonly objects: number
}

/**
 * A value as plain data for JSON: dates in ISO 8601, maps as objects, sets as lists, NaN and the infinities as null. What lies
 * deeper than the limit is a text, collections are cut, and when there are too many values the rest is a remark.
 */
export function encodeValue(value: unknown, limits: AnswerLimits, longAsText = false): unknown {
  let objects = 0

  const encode = (value: unknown, depth: number): unknown => {
    if (++objects > limits.objects) return '[Object limit exceeded]'
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value
      case 'number':
        return Number.isFinite(value) ? value : null
      case 'bigint':
        return longAsText || !Number.isSafeInteger(Number(value)) ? String(value) : Number(value)
      case 'object':
        return value === null ? null : encodeObject(value, depth)
      default:
        return null
    }
  }

  const encodeObject = (value: object, depth: number): unknown => {
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
    const items = itemsOf(value)
    if (depth >= limits.depth) return items === undefined ? '[Object]' : `[${items.length} elements]`
    if (items !== undefined) return items.slice(0, limits.collection).map((item) => encode(item, depth + 1))
    const entries = value instanceof Map ? [...value] : Object.entries(value)
    return Object.fromEntries(
      entries.slice(0, limits.collection).map(([key, item]) => [String(key), encode(item, depth + 1)]),
    )
  }

  return encode(value, 0)
}

function itemsOf(value: object): unknown[] | undefined {
  if (Array.isArray(value)) return value
  return value instanceof Set ? [...value] : undefined
}
