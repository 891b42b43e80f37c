import { AdminRequestError } from '../../errors.js'
import { type ObjectName, parseObjectName } from '../mbean/object-name.js'

/** What a request of the Jolokia protocol asks for. */
export type Operation =
  | { type: 'version' | 'config' }
  | { type: 'read'; name: ObjectName; attributes: AttributeSelection; path: readonly string[] }
  | { type: 'write'; name: ObjectName; attribute: string; value: unknown }
  | { type: 'exec'; name: ObjectName; operation: string; signature: string | undefined; args: readonly unknown[] }
  | { type: 'search'; pattern: ObjectName }
  | { type: 'list'; path: readonly string[] }

/** `one` answers with the bare value, the others with values by name. */
export type AttributeSelection =
  | { kind: 'one'; name: string }
  | { kind: 'some'; names: readonly string[] }
  | { kind: 'all' }

/** A request, with what its answer repeats of it. */
export interface JolokiaRequest {
  readonly operation: Operation
  readonly echo: Readonly<Record<string, unknown>>
}

const MAX_NAME = 512

export function badRequest(message: string): AdminRequestError {
  return new AdminRequestError('bad-request', message)
}

/** Names are looked up in maps only, so they may have any character; but not any length. */
export function checkName(what: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw badRequest(`${what} is missing, expected a text`)
  if (value.length > MAX_NAME) throw badRequest(`${what} is longer than ${MAX_NAME} characters`)
  return value
}

/** Of one name that may hold commas, or none: `*` and nothing stand for all. */
export function selectAttributes(text: string | undefined): AttributeSelection {
  if (text === undefined || text === '' || text === '*') return { kind: 'all' }
  if (!text.includes(',')) return { kind: 'one', name: checkName('the attribute', text) }
  return selectSome(text.split(',').filter((name) => name !== ''))
}

export function selectSome(names: readonly unknown[]): AttributeSelection {
  if (names.length === 0 || names.includes('*')) return { kind: 'all' }
  return { kind: 'some', names: [...new Set(names.map((name) => checkName('the attribute', name)))] }
}

export function execRequest(mbean: string, operation: string, args: readonly unknown[], echo: object): JolokiaRequest {
  const name = parseObjectName(mbean)
  const [, plain, signature] = /^([^()]*)(?:\(([^()]*)\))?$/.exec(checkName('the operation', operation)) ?? []
  if (plain === undefined || plain === '') throw badRequest(`${JSON.stringify(operation)} is no name of an operation`)
  return { operation: { type: 'exec', name, operation: plain, signature, args }, echo: { ...echo } }
}

export function writeRequest(mbean: string, attribute: unknown, value: unknown, path: readonly string[]): Operation {
  const name = parseObjectName(mbean)
  if (name.isPattern) throw badRequest('the MBean of a write is no pattern')
  if (path.length > 0) throw badRequest('attributes are written as a whole: there is no inner path')
  return { type: 'write', name, attribute: checkName('the attribute', attribute), value }
}
