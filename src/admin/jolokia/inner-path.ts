const nothing = Symbol('nothing')

/**
 * The part of a value that an inner path leads to: keys of maps, indexes of lists from 0; `*` stands for whatever is at that
 * level, and leaves out what the rest of the path does not lead to. `null` where the path leads nowhere.
 */
export function follow(value: unknown, path: readonly string[]): unknown {
  const found = walk(value, path, 0)
  return found === nothing ? null : found
}

function walk(value: unknown, path: readonly string[], at: number): unknown {
  const part = path[at]
  if (part === undefined) return value
  if (typeof value !== 'object' || value === null) return nothing
  return part === '*' ? walkAll(value, path, at + 1) : walk(child(value, part), path, at + 1)
}

function walkAll(value: object, path: readonly string[], at: number): unknown {
  const found = childrenOf(value).flatMap(([key, item]) => {
    const inner = walk(item, path, at)
    return inner === nothing ? [] : [[key, inner] as const]
  })
  if (found.length === 0) return nothing
  return Array.isArray(value) ? found.map(([, inner]) => inner) : Object.fromEntries(found)
}

function childrenOf(value: object): [unknown, unknown][] {
  return value instanceof Map ? [...value] : Object.entries(value)
}

/** Own keys only: what objects inherit is not there. */
function child(value: object, key: string): unknown {
  if (value instanceof Map) return value.has(key) ? value.get(key) : nothing
  const own = Array.isArray(value) ? /^\d{1,9}$/.test(key) && Number(key) < value.length : Object.hasOwn(value, key)
  return own ? (value as Record<string, unknown>)[key] : nothing
}
