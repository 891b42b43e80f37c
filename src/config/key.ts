import { z } from 'zod'
import { formatDuration, parseDuration } from './duration.js'
import { parsePattern } from './pattern.js'
import { formatSize, parseSize } from './size.js'

/** What the reference says of a key, kept beside its declaration. */
export interface KeyNotes {
  /** The forms that the value may have. */
  type: string
  /** The default in user form, or what happens without the key. */
  default: string
  meaning: string
}

/** The notes of every key of the schema. */
export const keyNotes = z.registry<KeyNotes>()

/** A key that is read by `read`; where that gives `undefined`, the value is refused with `expected`. */
export function key<T>(expected: string, read: (value: unknown) => T | undefined) {
  return z.unknown().transform((value, context): T => {
    const result = read(value)
    if (result !== undefined) return result
    context.issues.push({ code: 'custom', message: expected, input: value })
    return z.NEVER
  })
}

/** A key that takes one of a few texts. */
export function choice<const T extends string>(...texts: readonly T[]) {
  const expected = texts.map((text) => JSON.stringify(text)).join(' or ')
  return key(expected, (value) => texts.find((text) => text === value))
}

/** `true` or `false`, also as text, so that environment references can switch. */
export function flag() {
  return key('true or false', readFlag)
}

export function readFlag(value: unknown): boolean | undefined {
  if (value === true || value === 'true') return true
  return value === false || value === 'false' ? false : undefined
}

/** A whole number, also as text. */
export function count(min: number, max: number) {
  return key(`a whole number from ${min} to ${max}`, (value) => readCount(value, min, max))
}

export function readCount(value: unknown, min: number, max: number): number | undefined {
  const result = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof result !== 'number' || !Number.isSafeInteger(result)) return undefined
  return result >= min && result <= max ? result : undefined
}

/** Of something; 0 or `none` give 0, which stands for "no limit". */
export function countOrNone(max: number) {
  return key(`a whole number from 0 to ${max}, or "none"`, (value) => (value === 'none' ? 0 : readCount(value, 0, max)))
}

/** Milliseconds within bounds. */
export function duration(min: number, max: number) {
  return key(`${describeDuration(min, max)}, such as "10s"`, (value) => within(parseDuration(value), min, max))
}

/** Milliseconds within bounds; 0 or `none` give 0, which stands for "never". */
export function durationOrNone(min: number, max: number) {
  return key(`${describeDuration(min, max)}, such as "30m", or "none"`, (value) => {
    const result = value === 'none' ? 0 : parseDuration(value)
    return result === 0 ? 0 : within(result, min, max)
  })
}

function describeDuration(min: number, max: number): string {
  return `a duration from ${formatDuration(min)} to ${formatDuration(max)}`
}

/** Bytes within bounds. */
export function size(min: number, max: number) {
  return key(describeSize(min, max), (value) => within(parseSize(value), min, max))
}

export function describeSize(min: number, max: number): string {
  return `a size from ${formatSize(min)} to ${formatSize(max)}, such as "64MB"`
}

export function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined
}

/** A text that a pattern describes. */
export function text(expected: string, form: RegExp) {
  return key(expected, (value) => (typeof value === 'string' && form.test(value) ? value : undefined))
}

/** A regular expression. */
export function pattern() {
  return key('a regular expression: a text, "/…/flags" or a RegExp', parsePattern)
}
