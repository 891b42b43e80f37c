import { pathToFileURL } from 'node:url'

/**
 * Address of a file of this package, for what is loaded or read beside it. A bundler for CommonJS leaves nothing of
 * `import.meta`; there it is the bundle's own address. The CommonJS build has another module in the place of this one.
 */
// biome-ignore lint/suspicious/noTsIgnore: an error in one of two builds only
/** @ts-ignore */
export const here: string = import.meta.url ?? pathToFileURL(__filename).href
