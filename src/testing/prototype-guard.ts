import assert from 'node:assert/strict'

const watched = [
  Object,
  Array,
  Function,
  String,
  Number,
  Boolean,
  Date,
  Map,
  Set,
  RegExp,
  Error,
  Promise,
  Buffer,
  Uint8Array,
]

/** Remembers the prototypes of the language; what it gives throws when one of them has changed since. */
export function guardPrototypes(): () => void {
  const before = snapshot()
  return () => assert.deepEqual(snapshot(), before, 'a prototype was changed')
}

function snapshot() {
  return watched.map(({ name, prototype }) => ({
    name,
    keys: Reflect.ownKeys(prototype),
    parent: Object.getPrototypeOf(prototype)?.constructor.name,
  }))
}

/** Whether an object or something in it has an own key `__proto__`, or a prototype that the language does not know. */
export function isPolluted(root: unknown): boolean {
  const waiting = [root]
  const seen = new Set<unknown>()
  while (waiting.length > 0) {
    const value = waiting.pop()
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    if (Object.hasOwn(value, '__proto__') || !hasKnownPrototype(value)) return true
    if (value instanceof Map) waiting.push(...value.keys(), ...value.values())
    else if (value instanceof Set) waiting.push(...value)
    else if (!ArrayBuffer.isView(value)) for (const part of Object.values(value)) waiting.push(part)
  }
  return false
}

/* A prototype that came out of the bytes has no constructor of its own. */
function hasKnownPrototype(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || (Object.hasOwn(prototype, 'constructor') && typeof prototype.constructor === 'function')
}
