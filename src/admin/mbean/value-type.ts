import { AdminRequestError } from '../../errors.js'

const MAX_TEXT = 4096

/** The type of an attribute, an argument or a result: how clients are told of it, and how values of theirs become ours. */
export interface ValueType<T> {
  /** The name of the type in Java, which is what clients of this protocol know. */
  readonly java: string
  /**
   * Makes a value of this type from JSON, or from the text that stands in a URL.
   * @throws {AdminRequestError} `bad-request` when it is of another type, `illegal-argument` when it is out of range.
   */
  convert(value: unknown): T
}

export interface Range {
  min?: number
  max?: number
}

/** A whole number of 32 bits. */
export function int(range: Range = {}): ValueType<number> {
  return wholeNumber('int', { min: -(2 ** 31), max: 2 ** 31 - 1, ...range })
}

/** A whole number that JavaScript represents exactly. */
export function long(range: Range = {}): ValueType<number> {
  return wholeNumber('long', { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, ...range })
}

function wholeNumber(java: string, { min, max }: Required<Range>): ValueType<number> {
  const expected = `a whole number from ${min} to ${max}`
  return {
    java,
    convert(value) {
      const number = readNumber(value, /^[+-]?\d{1,16}$/)
      if (number === undefined || !Number.isInteger(number)) throw otherType(value, expected)
      if (number < min || number > max) throw illegalArgument(`got ${number}, expected ${expected}`)
      return number
    },
  }
}

export function double({ min = -Number.MAX_VALUE, max = Number.MAX_VALUE }: Range = {}): ValueType<number> {
  const expected = `a number from ${min} to ${max}`
  return {
    java: 'double',
    convert(value) {
      const number = readNumber(value, /^[+-]?\d{1,20}(\.\d{1,20})?(e[+-]?\d{1,3})?$/i)
      if (number === undefined) throw otherType(value, expected)
      if (number < min || number > max) throw illegalArgument(`got ${number}, expected ${expected}`)
      return number
    },
  }
}

function readNumber(value: unknown, form: RegExp): number | undefined {
  const number = typeof value === 'string' && form.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

export function boolean(): ValueType<boolean> {
  return {
    java: 'boolean',
    convert(value) {
      if (value === true || value === 'true') return true
      if (value === false || value === 'false') return false
      throw otherType(value, 'true or false')
    },
  }
}

/** A text of at most `maxLength` characters (default 4096), in a form if one is given; `expected` describes it. */
export function string(form: { maxLength?: number; form?: RegExp; expected?: string } = {}): ValueType<string> {
  const maxLength = form.maxLength ?? MAX_TEXT
  const expected = form.expected ?? `a text of at most ${maxLength} characters`
  return {
    java: 'java.lang.String',
    convert(value) {
      const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value
      if (typeof text !== 'string') throw otherType(value, expected)
      if (text.length > maxLength || form.form?.test(text) === false) throw illegalArgument(`expected ${expected}`)
      return text
    },
  }
}

/** One of a few texts. */
export function choice<const T extends string>(...texts: readonly T[]): ValueType<T> {
  const expected = `one of ${texts.join(', ')}`
  return {
    java: 'java.lang.String',
    convert(value) {
      if (typeof value !== 'string') throw otherType(value, expected)
      const found = texts.find((text) => text === value)
      if (found === undefined) throw illegalArgument(`got ${JSON.stringify(value.slice(0, 80))}, expected ${expected}`)
      return found
    },
  }
}

/** A list of at most `max` texts (default 100); in a URL joined by commas. */
export function stringList(max = 100): ValueType<readonly string[]> {
  return {
    java: '[Ljava.lang.String;',
    convert(value) {
      const list: unknown = typeof value === 'string' ? value.split(',').filter((text) => text !== '') : value
      const isList = Array.isArray(list) && list.every((text) => typeof text === 'string')
      if (!isList) throw otherType(value, 'a list of texts')
      if (list.length > max) throw illegalArgument(`got ${list.length} texts, expected at most ${max}`)
      return list
    },
  }
}

/** What another type takes, or null. */
export function optional<T>(type: ValueType<T>): ValueType<T | null> {
  return { java: type.java, convert: (value) => (value === null ? null : type.convert(value)) }
}

/** Named values: results and read-only attributes. They can't be written. */
export function map(): ValueType<object> {
  return onlyOut('java.util.Map')
}

/** A list of values of any kind: results and read-only attributes. It can't be written. */
export function list(): ValueType<readonly unknown[]> {
  return onlyOut('java.util.List')
}

/** A point in time, printed in ISO 8601; `null`: none. It can't be written. */
export function date(): ValueType<Date | null> {
  return onlyOut('java.util.Date')
}

/** The result of operations that give nothing. */
export function nothing(): ValueType<void> {
  return onlyOut('void')
}

function onlyOut(java: string): ValueType<never> {
  return {
    java,
    convert() {
      throw new AdminRequestError('bad-request', `a value of the type ${java} can't be given`)
    },
  }
}

/** For MBeans: a value or an argument that is of the right type and can't be used; `message` says why. */
export function illegalArgument(message: string): AdminRequestError {
  return new AdminRequestError('illegal-argument', message)
}

function otherType(value: unknown, expected: string): AdminRequestError {
  return new AdminRequestError('bad-request', `got ${kindOf(value)}, expected ${expected}`)
}

function kindOf(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
