/** The four calls that Holdfast makes; `console` and pino instances fit. */
export interface Logger {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

const ignore = (): void => {}

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** The default: warnings and errors to stderr, nothing else. */
export const consoleLogger: Logger = {
  debug: ignore,
  info: ignore,
  warn: (message) => console.warn(`holdfast: ${onOneLine(message)}`),
  error: (message) => console.error(`holdfast: ${onOneLine(message)}`),
}

const guarded = new WeakMap<Logger, Logger>([
  [consoleLogger, consoleLogger],
  [silentLogger, silentLogger],
])

/** The same logger, which gets each message as one line, see `onOneLine`. Made once for each logger. */
export function oneLineLogger(logger: Logger): Logger {
  const known = guarded.get(logger)
  if (known !== undefined) return known
  const made: Logger = {
    debug: (message) => logger.debug(onOneLine(message)),
    info: (message) => logger.info(onOneLine(message)),
    warn: (message) => logger.warn(onOneLine(message)),
    error: (message) => logger.error(onOneLine(message)),
  }
  guarded.set(logger, made).set(made, made)
  return made
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
