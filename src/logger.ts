/** What a line of the log is about, beside its text: for loggers that keep fields apart. */
export interface LogDetails {
  /** What went wrong. */
  readonly error?: Error
  readonly [field: string]: string | number | boolean | undefined | Error
}

/**
 * The four calls that Holdfast makes; `console` fits, and so does an instance of pino, which gets the details first, as it wants
 * them, with the error as `err`.
 */
export interface Logger {
  debug(message: string, details?: LogDetails): void
  info(message: string, details?: LogDetails): void
  warn(message: string, details?: LogDetails): void
  error(message: string, details?: LogDetails): void
}

type Level = keyof Logger
type Write = (level: Level, message: string, details: LogDetails | undefined) => void

const ignore = (): void => {}

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** The default: warnings and errors to stderr with time and level, nothing else. Their text says all that is in their details. */
export const consoleLogger: Logger = {
  debug: ignore,
  info: ignore,
  warn: (message) => console.warn(lineOf('warn', message)),
  error: (message) => console.error(lineOf('error', message)),
}

function lineOf(level: Level, message: string): string {
  return `${new Date().toISOString()} ${level} holdfast: ${onOneLine(message)}`
}

const guarded = new WeakMap<Logger, Logger>([
  [consoleLogger, consoleLogger],
  [silentLogger, silentLogger],
])

/**
 * The same logger, which gets each message as one line, see `onOneLine`, and the texts in its details so, too. Made once for each
 * logger.
 */
export function oneLineLogger(logger: Logger): Logger {
  const known = guarded.get(logger)
  if (known !== undefined) return known
  const write = isPino(logger) ? toPino(logger) : toTextFirst(logger)
  const made: Logger = {
    debug: (message, details) => write('debug', onOneLine(message), details),
    info: (message, details) => write('info', onOneLine(message), details),
    warn: (message, details) => write('warn', onOneLine(message), details),
    error: (message, details) => write('error', onOneLine(message), details),
  }
  guarded.set(logger, made).set(made, made)
  return made
}

function toTextFirst(logger: Logger): Write {
  return (level, message, details) => {
    if (details === undefined) logger[level](message)
    else logger[level](message, escapedDetails(details))
  }
}

/** What pino and those who take its place (that of Fastify, say) do. */
type Pino = Record<Level, (details: object, message: string) => void>

function toPino(logger: Logger): Write {
  const pino = logger as unknown as Pino
  return (level, message, details) => {
    const { error, ...fields } = details === undefined ? {} : escapedDetails(details)
    pino[level](error === undefined ? fields : { ...fields, err: error }, message)
  }
}

/** pino takes what follows a text for values to put into that text, and drops them. */
function isPino(logger: object): boolean {
  const { child, bindings } = logger as { child?: unknown; bindings?: unknown }
  return typeof child === 'function' && typeof bindings === 'function'
}

function escapedDetails(details: LogDetails): LogDetails {
  return Object.fromEntries(Object.entries(details).map(([name, value]) => [name, escapedValue(value)]))
}

function escapedValue(value: LogDetails[string]): LogDetails[string] {
  if (typeof value === 'string') return onOneLine(value)
  return value instanceof Error ? escapedError(value) : value
}

/* Loggers print an error's stack, which repeats its message as it is. */
function escapedError(error: Error): Error {
  const message = onOneLine(error.message)
  const places = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const copy: Error = Object.create(Object.getPrototypeOf(error), {
    message: { value: message },
    name: { value: error.name },
    stack: {
      value: [`${error.name}: ${message}`, ...places.map((place) => `    ${onOneLine(place.trim())}`)].join('\n'),
    },
  })
  const code: unknown = Object.getOwnPropertyDescriptor(error, 'code')?.value
  return code === undefined ? copy : Object.assign(copy, { code })
}

/**
 * A text that stays one line, and looks in a terminal as it is: control characters, marks that turn the direction of writing, and
 * separators of lines are escaped; line feeds become spaces. What visitors choose, such as names of attributes, must not forge lines
 * of a log.
 */
export function onOneLine(text: string): string {
  return text.replaceAll(/[ \t]*\r?\n\s*/g, ' ').replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => {
    return Array.from({ length: found.length }, (_, at) => escaped(found.charCodeAt(at))).join('')
  })
}

function escaped(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}
