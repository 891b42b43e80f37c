import { AdminRequestError } from '../../errors.js'

/** The processing parameters that have a meaning here; 0: no limit of the client's. */
export interface Parameters {
  readonly maxDepth: number
  readonly maxCollectionSize: number
  readonly maxObjects: number
  readonly ignoreErrors: boolean
  readonly includeRequest: boolean
  readonly canonicalNaming: boolean
  readonly listCache: boolean
  readonly longAsText: boolean
  /** Seconds since the epoch; 0: not asked. */
  readonly ifModifiedSince: number
}

/** Where parameters stand: the query, or the `config` of one request. */
export type ParameterSource = (name: string) => unknown

const flags = new Map<unknown, boolean>([
  ...['true', 'on', 'yes', 'y', '1', true, 1].map((text) => [text, true] as const),
  ...['false', 'off', 'no', 'n', '0', false, 0].map((text) => [text, false] as const),
])

/** What is understood and has no effect here; a value that can't be right is refused all the same. */
const checkedOnly = ['serializeException', 'listKeys', 'listInterfaces', 'openTypes']

/**
 * Reads the parameters of a request. The first source that has one counts.
 * @throws {AdminRequestError} `bad-request` for a value that can't be right.
 */
export function readParameters(...sources: readonly ParameterSource[]): Parameters {
  const find = (name: string): unknown => {
    for (const source of sources) {
      const value = source(name)
      if (value !== undefined && value !== null) return value
    }
    return undefined
  }
  for (const name of checkedOnly) readFlag(name, find(name), false)
  readChoice('mimeType', find('mimeType'), ['application/json', 'text/plain'])
  readChoice('includeStackTrace', lower(find('includeStackTrace')), [...flags.keys(), 'runtime'])
  return {
    maxDepth: readCount('maxDepth', find('maxDepth')),
    maxCollectionSize: readCount('maxCollectionSize', find('maxCollectionSize')),
    maxObjects: readCount('maxObjects', find('maxObjects')),
    ignoreErrors: readFlag('ignoreErrors', find('ignoreErrors'), false),
    includeRequest: readFlag('includeRequest', find('includeRequest'), true),
    canonicalNaming: readFlag('canonicalNaming', find('canonicalNaming'), false),
    listCache: readFlag('listCache', find('listCache'), false),
    longAsText: readChoice('serializeLong', find('serializeLong'), ['number', 'string']) === 'string',
    ifModifiedSince: readCount('ifModifiedSince', find('ifModifiedSince')),
  }
}

function readFlag(name: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise
  const flag = flags.get(lower(value))
  if (flag === undefined) throw new AdminRequestError('bad-request', `${name}: expected true or false`)
  return flag
}

function lower(value: unknown): unknown {
  return typeof value === 'string' ? value.toLowerCase() : value
}

function readCount(name: string, value: unknown): number {
  if (value === undefined) return 0
  const count = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return count
  throw new AdminRequestError('bad-request', `${name}: expected a whole number, 0 or more`)
}

function readChoice(name: string, value: unknown, choices: readonly unknown[]): unknown {
  if (value === undefined || choices.includes(value)) return value
  const listed = choices.filter((choice) => typeof choice === 'string')
  throw new AdminRequestError('bad-request', `${name}: expected one of ${listed.join(', ')}`)
}
