import { createRequire } from 'node:module'
import { here } from '../../here.js'

const load = createRequire(here)

/**
 * Loads a codec's package at its first use, so that only who needs it pays for it.
 *
 * @param entry what to load of it, where that is not the package itself.
 * @throws Error with an instruction when it is not installed, or does not load.
 */
export function loadPackage<T>(codec: string, name: string, entry = name): T {
  try {
    return load(entry) as T
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND'
    const problem = missing ? `is not installed: npm install ${name}` : 'does not load'
    throw new Error(`the codec ${codec} needs the package ${name}, which ${problem}`, { cause })
  }
}
