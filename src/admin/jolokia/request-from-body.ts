import { parseObjectName } from '../mbean/object-name.js'
import { splitPath } from './escaped-path.js'
import {
  type AttributeSelection,
  badRequest,
  checkName,
  execRequest,
  type JolokiaRequest,
  selectAttributes,
  selectSome,
  writeRequest,
} from './request.js'

type Item = (key: string) => unknown

/** An own property of what may be an object from JSON; never anything that objects inherit. */
export function ownProperty(object: unknown, key: string): unknown {
  if (typeof object !== 'object' || object === null || !Object.hasOwn(object, key)) return undefined
  return (object as Record<string, unknown>)[key]
}

/**
 * The request in a JSON object. Keys that mean nothing for its type are ignored.
 * @throws {AdminRequestError} `bad-request`
 */
export function requestFromBody(body: unknown): JolokiaRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw badRequest('expected a request object')
  const item: Item = (key) => ownProperty(body, key)
  if (item('target') !== undefined) throw badRequest('target: this endpoint is no proxy')
  const type = checkName('the type', item('type')).toLowerCase()
  switch (type) {
    case 'version':
    case 'config':
      return { operation: { type }, echo: { type } }
    case 'read':
      return readFromBody(item)
    case 'write':
      return writeFromBody(item)
    case 'exec':
      return execFromBody(item)
    case 'search':
      return searchFromBody(item)
    case 'list':
      return listFromBody(item)
    default:
      throw badRequest('there is no such type of request; there are read, write, exec, search, list, version, config')
  }
}

function readFromBody(item: Item): JolokiaRequest {
  const mbean = checkName('mbean', item('mbean'))
  const attributes = selectFromBody(item('attribute'))
  return {
    operation: { type: 'read', name: parseObjectName(mbean), attributes, path: pathOf(item) },
    echo: { type: 'read', mbean, attribute: attributes.kind === 'all' ? [] : item('attribute'), ...echoPath(item) },
  }
}

function selectFromBody(attribute: unknown): AttributeSelection {
  if (Array.isArray(attribute)) return selectSome(attribute)
  if (attribute === undefined || attribute === null) return { kind: 'all' }
  if (typeof attribute !== 'string') throw badRequest('attribute: expected a text or a list of texts')
  return selectAttributes(attribute)
}

function writeFromBody(item: Item): JolokiaRequest {
  const [mbean, attribute, value] = [checkName('mbean', item('mbean')), item('attribute'), item('value')]
  if (value === undefined) throw badRequest('value is missing')
  return {
    operation: writeRequest(mbean, attribute, value, pathOf(item)),
    echo: { type: 'write', mbean, attribute, value },
  }
}

function execFromBody(item: Item): JolokiaRequest {
  const [mbean, operation] = [checkName('mbean', item('mbean')), checkName('operation', item('operation'))]
  const args = item('arguments') ?? []
  if (!Array.isArray(args)) throw badRequest('arguments: expected a list')
  const echo = { type: 'exec', mbean, operation, ...(item('arguments') !== undefined && { arguments: args }) }
  return execRequest(mbean, operation, args, echo)
}

function searchFromBody(item: Item): JolokiaRequest {
  const mbean = item('mbean') === undefined ? '*:*' : checkName('mbean', item('mbean'))
  return { operation: { type: 'search', pattern: parseObjectName(mbean) }, echo: { type: 'search', mbean } }
}

function listFromBody(item: Item): JolokiaRequest {
  return { operation: { type: 'list', path: pathOf(item) }, echo: { type: 'list', ...echoPath(item) } }
}

function pathOf(item: Item): string[] {
  const path = item('path') ?? ''
  if (typeof path !== 'string') throw badRequest('path: expected a text')
  return splitPath(path.replace(/^\//, ''))
}

function echoPath(item: Item): { path?: unknown } {
  return item('path') === undefined || item('path') === null ? {} : { path: item('path') }
}
