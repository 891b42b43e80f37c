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
  warn: (message) => console.warn(`holdfast: ${message}`),
  error: (message) => console.error(`holdfast: ${message}`),
}

/**
 * A text that stays one line, and looks in a terminal as it is: control characters, marks that turn the direction of writing, and
 * separators of lines are escaped. What visitors choose, such as names of attributes, must not forge lines of a log.
 */
export function onOneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => {
    return Array.from({ length: found.length }, (_, at) => escaped(found.charCodeAt(at))).join('')
  })
}

function escaped(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}
