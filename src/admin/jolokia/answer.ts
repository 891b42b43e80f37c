import { AdminRequestError } from '../../errors.js'
import { printName } from '../mbean/object-name.js'
import type { Context } from './context.js'
import { type AnswerLimits, encodeValue } from './encode-value.js'
import { exec } from './exec.js'
import { type Fault, faultOf } from './fault.js'
import { follow } from './inner-path.js'
import { list } from './list.js'
import type { Parameters } from './parameters.js'
import { read } from './read.js'
import type { JolokiaRequest, Operation } from './request.js'
import { write } from './write.js'

/** @see https://jolokia.org/reference/html/manual/jolokia_protocol.html#versions */
const PROTOCOL = '8.2'

/** The answer to one request. */
export type Envelope = { request?: object } & (Fault | { value?: unknown; status: 200 | 304; timestamp: number })

const unchanged = Symbol('unchanged')

/** Does what a request asks and puts the outcome into an envelope, be it a result or an error. */
export async function answer(request: JolokiaRequest, context: Context, parameters: Parameters): Promise<Envelope> {
  const repeated = parameters.includeRequest ? { request: request.echo } : {}
  try {
    const value = await perform(request.operation, context, parameters)
    const timestamp = Math.floor(context.now / 1000)
    if (value === unchanged) return { ...repeated, status: 304, timestamp }
    return { ...repeated, value, status: 200, timestamp }
  } catch (error) {
    return { ...repeated, ...faultOf(error) }
  }
}

async function perform(operation: Operation, context: Context, parameters: Parameters): Promise<unknown> {
  const limits = limitsFor(context.limits, parameters)
  switch (operation.type) {
    case 'version':
      return version(context)
    case 'config':
      return config(context)
    case 'read': {
      const value = await read(operation.name, operation.attributes, context, parameters)
      return encodeValue(follow(value, operation.path), limits, parameters.longAsText)
    }
    case 'write':
      requirePost(operation.type, context)
      return write(operation.name, operation.attribute, operation.value, context)
    case 'exec':
      requirePost(operation.type, context)
      return encodeValue(await exec(operation.name, operation, context, parameters), limits, parameters.longAsText)
    case 'search':
      if (isUnchanged(context, parameters)) return unchanged
      return context.registry.query(operation.pattern).map((bean) => printName(bean.name, parameters.canonicalNaming))
    case 'list':
      return isUnchanged(context, parameters) ? unchanged : list(operation.path, context, parameters)
  }
}

/** A GET is what browsers, caches and crawlers repeat as they like, and what ends up in access logs. */
function requirePost(type: string, { mayChange, audit, principal, address }: Context): void {
  if (mayChange) return
  audit.add({ action: 'refused', principal: principal.name, address, outcome: `${type} by GET` })
  throw new AdminRequestError('forbidden', `${type} works by POST only`)
}

/** In whole seconds, as clients know them; the second of the change itself counts as changed. */
function isUnchanged({ registry }: Context, { ifModifiedSince }: Parameters): boolean {
  return ifModifiedSince > Math.floor(registry.lastChange / 1000)
}

/** The client's limits within ours. */
function limitsFor(ours: AnswerLimits, parameters: Parameters): AnswerLimits {
  return {
    depth: smaller(ours.depth, parameters.maxDepth),
    collection: smaller(ours.collection, parameters.maxCollectionSize),
    objects: smaller(ours.objects, parameters.maxObjects),
  }
}

function smaller(ours: number, theirs: number): number {
  return theirs === 0 ? ours : Math.min(ours, theirs)
}

function version({ agent, limits }: Context) {
  return {
    agent: agent.version,
    protocol: PROTOCOL,
    id: agent.id,
    details: { agent_id: agent.id, agent_version: agent.version, secured: agent.methods.length > 0, url: null },
    config: {
      maxDepth: String(limits.depth),
      maxCollectionSize: String(limits.collection),
      maxObjects: String(limits.objects),
      mimeType: 'application/json',
      allowErrorDetails: 'false',
    },
    info: { jmx: {} },
    decorators: {},
  }
}

function config({ agent }: Context) {
  return { agent: agent.version, protocol: PROTOCOL, id: agent.id, security: { authentication: agent.methods } }
}
