import { parseObjectName } from '../mbean/object-name.js'
import { joinPath, splitPath, valueFromPath } from './escaped-path.js'
import { badRequest, checkName, execRequest, type JolokiaRequest, selectAttributes, writeRequest } from './request.js'

const MAX_PARTS = 64

/**
 * The request in a path, `read/<mbean>/<attribute>` and the like, which is decoded from percent-encoding already.
 * @throws {AdminRequestError} `bad-request`
 */
export function requestFromPath(path: string): JolokiaRequest {
  const [first, ...args] = splitPath(path.replace(/^\//, ''))
  if (args.length > MAX_PARTS) throw badRequest(`the path has more than ${MAX_PARTS} parts`)
  const type = (first ?? 'version').toLowerCase()
  switch (type) {
    case 'version':
    case 'config':
      return { operation: { type }, echo: { type } }
    case 'read':
      return readFromPath(args)
    case 'write':
      return writeFromPath(args)
    case 'exec':
      return execFromPath(args)
    case 'search':
      return searchFromPath(args[0])
    case 'list':
      return listFromPath(args)
    default:
      throw badRequest('there is no such type of request; there are read, write, exec, search, list, version, config')
  }
}

function readFromPath([mbean, attribute, ...path]: string[]): JolokiaRequest {
  const name = parseObjectName(checkName('the MBean', mbean))
  const attributes = selectAttributes(attribute)
  const echoed = attributes.kind === 'one' ? attributes.name : attributes.kind === 'some' ? attributes.names : []
  return {
    operation: { type: 'read', name, attributes, path },
    echo: { type: 'read', mbean, attribute: echoed, ...echoPath(path) },
  }
}

function writeFromPath([mbean, attribute, value, ...path]: string[]): JolokiaRequest {
  if (value === undefined) throw badRequest('a write needs an MBean, an attribute and a value')
  const written = valueFromPath(value)
  return {
    operation: writeRequest(checkName('the MBean', mbean), attribute, written, path),
    echo: { type: 'write', mbean, attribute, value: written },
  }
}

function execFromPath([mbean, operation, ...texts]: string[]): JolokiaRequest {
  const args = texts.map(valueFromPath)
  const echo = { type: 'exec', mbean, operation, ...(args.length > 0 && { arguments: args }) }
  return execRequest(checkName('the MBean', mbean), checkName('the operation', operation), args, echo)
}

function searchFromPath(pattern = '*:*'): JolokiaRequest {
  const name = parseObjectName(checkName('the MBean', pattern))
  return { operation: { type: 'search', pattern: name }, echo: { type: 'search', mbean: pattern } }
}

function listFromPath(path: string[]): JolokiaRequest {
  return { operation: { type: 'list', path }, echo: { type: 'list', ...echoPath(path) } }
}

function echoPath(path: readonly string[]): { path?: string } {
  return path.length > 0 ? { path: joinPath(path) } : {}
}
