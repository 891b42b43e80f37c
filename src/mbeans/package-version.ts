import { readFileSync } from 'node:fs'
import { here } from '../here.js'

/** The version of the package that this file belongs to; `unknown` in a bundle, which is none. */
export function packageVersion(): string {
  try {
    const { name, version } = JSON.parse(readFileSync(new URL('../package.json', here), 'utf8'))
    return name === 'holdfast' && typeof version === 'string' ? version : 'unknown'
  } catch {
    return 'unknown'
  }
}
