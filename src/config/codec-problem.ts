/** Something that is wrong inside the key `codec`: where, and what was expected there. */
export class CodecProblem extends Error {
  /** From the key on: `['schemas', 'cart']`. */
  readonly path: readonly PropertyKey[]

  constructor(path: readonly PropertyKey[], expected: string) {
    super(expected)
    this.path = path
  }
}

/** @throws CodecProblem when the value is no plain object. */
export function objectWith(value: unknown, path: readonly PropertyKey[], of: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new CodecProblem(path, `an object of ${of}`)
}

/** @throws CodecProblem for the first key that is none of those known. */
export function refuseOtherKeys(value: object, known: readonly string[], path: readonly PropertyKey[]): void {
  const other = Object.keys(value).find((key) => !known.includes(key))
  if (other !== undefined)
    throw new CodecProblem([...path, other], `no key of this name; there are ${known.join(', ')}`)
}
