import { types } from 'node:util'

const maxLength = 1000
const delimited = /^\/(.+)\/([dgimsuvy]*)$/s

/**
 * Reads a regular expression: a RegExp, `/…/flags`, or its plain source. The flags `g` and `y` are dropped: they
 * would make `test()` remember where the last match ended. `undefined`: not a regular expression.
 */
export function parsePattern(value: unknown): RegExp | undefined {
  if (types.isRegExp(value)) return compile(value.source, value.flags)
  if (typeof value !== 'string' || value === '' || value.length > maxLength) return undefined
  const match = delimited.exec(value)
  return match === null ? compile(value, '') : compile(match[1] ?? '', match[2] ?? '')
}

function compile(source: string, flags: string): RegExp | undefined {
  try {
    return new RegExp(source, flags.replaceAll(/[gy]/g, ''))
  } catch {
    return undefined
  }
}
