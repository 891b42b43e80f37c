import { describe, expect, it, vi } from 'vitest'
import { parseSettings } from '../src/config/parse-settings.js'
import { consoleLogger, type Logger, oneLineLogger, onOneLine } from '../src/logger.js'

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

describe('the details of a line', () => {
  const error = Object.assign(new Error('no\nanswer\u009b'), { code: 'HOLDFAST_NODE_UNREACHABLE' })
  const details = { node: 'n1\u2028', downFor: 12, error }

  function recording(more: object = {}): { logger: Logger; calls: unknown[][] } {
    const calls: unknown[][] = []
    const add = (...args: unknown[]) => void calls.push(args)
    return { logger: oneLineLogger({ debug: add, info: add, warn: add, error: add, ...more }), calls }
  }

  it('follow the text, for console and those like it', () => {
    const { logger, calls } = recording()
    logger.warn('is down', details)
    logger.warn('is up')
    expect(calls).toEqual([['is down', { node: 'n1\\u2028', downFor: 12, error: expect.any(Error) }], ['is up']])
  })

  it('come before the text, with the error as err, for pino and those like it', () => {
    const { logger, calls } = recording({ child: () => {}, bindings: () => ({}) })
    logger.error('is down', details)
    logger.error('is up')
    expect(calls).toEqual([
      [{ node: 'n1\\u2028', downFor: 12, err: expect.any(Error) }, 'is down'],
      [{}, 'is up'],
    ])
  })

  it('have the error as it was, but for what could forge a line', () => {
    const { logger, calls } = recording()
    logger.warn('is down', details)
    const [[, { error: logged }]] = calls as [[string, { error: Error & { code: string } }]]
    expect([logged instanceof Error, logged.message, logged.code]).toEqual([
      true,
      'no answer\\u009b',
      'HOLDFAST_NODE_UNREACHABLE',
    ])
    expect(logged.stack).toMatch(/^Error: no answer\\u009b\n {4}at /)
  })
})

describe('the default logger', () => {
  it('writes the time and the level before the text, and only warnings and errors', () => {
    const lines: string[] = []
    const spies = (['debug', 'info', 'warn', 'error'] as const).map((level) =>
      vi.spyOn(console, level).mockImplementation((line) => void lines.push(line)),
    )
    for (const level of ['debug', 'info', 'warn', 'error'] as const) consoleLogger[level]('a\nb', { node: 'n1' })
    for (const spy of spies) spy.mockRestore()
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /
    expect(lines.every((line) => time.test(line))).toBe(true)
    expect(lines.map((line) => line.replace(time, ''))).toEqual(['warn holdfast: a b', 'error holdfast: a b'])
  })
})
