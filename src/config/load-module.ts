import { ConfigError } from '../errors.js'
import { ModuleError, moduleExport } from './module-export.js'
import { problemAt } from './problems.js'

/**
 * Loads a JavaScript or TypeScript module and gives its options: the default export, the export named `config`, or
 * `module.exports`.
 *
 * @param path absolute
 */
export function loadModule(path: string, source: string): unknown {
  try {
    return moduleExport(path, 'config', 'an options object')
  } catch (error) {
    if (!(error instanceof ModuleError)) throw error
    throw new ConfigError(source, [problemAt(['file'], undefined, error.message)])
  }
}
