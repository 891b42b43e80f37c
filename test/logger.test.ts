import { describe, expect, it } from 'vitest'
import { parseSettings } from '../src/config/parse-settings.js'
import { oneLineLogger, onOneLine } from '../src/logger.js'

const secret = 'a-secret-of-the-tests-with-enough-characters'
const levels = ['debug', 'info', 'warn', 'error'] as const

describe('a line of the log', () => {
  it.each([
    ['a\nb', 'a b'],
    ["can't be used:\n  x: got 1\r\n  y", "can't be used: x: got 1 y"],
    ['a\rb', 'a\\u000db'],
    ['\u001b[2J\u009b31m', '\\u001b[2J\\u009b31m'],
    ['\u202eevil\u2066\u200f\ufeff', '\\u202eevil\\u2066\\u200f\\ufeff'],
    ['a\u2028b\u2029c\u0085d', 'a\\u2028b\\u2029c\\u0085d'],
    ['\u{e0041}', '\\udb40\\udc41'],
    ['Grüße, 世界 😀', 'Grüße, 世界 😀'],
  ])('stays one line, and looks as it is: %j', (text, expected) => {
    expect(onOneLine(text)).toBe(expected)
  })

  it.each(levels)('is escaped at every level, whatever logger is given: %s', (level) => {
    const lines: string[] = []
    class OwnLogger {
      debug = (line: string) => this.add('debug', line)
      info = (line: string) => this.add('info', line)
      warn = (line: string) => this.add('warn', line)
      error = (line: string) => this.add('error', line)
      private add(at: string, line: string): void {
        lines.push(`${at} ${line}`)
      }
    }
    const { logger } = parseSettings({ secret, logger: new OwnLogger() })
    logger[level]('session attribute "x\u009b2J\u202e\u2028E fake"')
    expect(lines).toEqual([`${level} session attribute "x\\u009b2J\\u202e\\u2028E fake"`])
  })

  it('is escaped once', () => {
    const lines: string[] = []
    const add = (line: string) => void lines.push(line)
    const logger = oneLineLogger({ debug: add, info: add, warn: add, error: add })
    expect(oneLineLogger(logger)).toBe(logger)
  })
})
