import { stripVTControlCharacters } from 'node:util'
import { onOneLine } from '../config/redaction.js'

/** Where a command writes: `process.stdout` fits. */
export interface Output {
  write(text: string): unknown
  isTTY?: boolean | undefined
}

export interface Terminal {
  stdout: Output
  stderr: Output
}

const styles = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const

export type Painter = Record<keyof typeof styles, (text: string) => string>

/** Colours for an output: none where it is no terminal or the user set NO_COLOR (https://no-color.org). */
export function painter(output: Output, environment: NodeJS.ProcessEnv = process.env): Painter {
  const coloured = output.isTTY === true && (environment.NO_COLOR ?? '') === ''
  const paint = ([open, close]: readonly [number, number]) => {
    return (text: string) => (coloured ? `\u001b[${open}m${text}\u001b[${close}m` : text)
  }
  return {
    bold: paint(styles.bold),
    dim: paint(styles.dim),
    red: paint(styles.red),
    green: paint(styles.green),
    yellow: paint(styles.yellow),
  }
}

/** Rows of cells as lines with aligned columns. Colours in cells don't count as width. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, width(cell))
    })
  }
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => pad(cell, widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

function width(cell: string): number {
  return stripVTControlCharacters(cell).length
}

function pad(cell: string, to: number): string {
  return cell + ' '.repeat(to - width(cell))
}

/** Text from elsewhere (a server's error message, say) on one line, without what terminals obey. */
export function plainText(text: string): string {
  return onOneLine(stripVTControlCharacters(text))
}
