import { setImmediate as pause } from 'node:timers/promises'
import { AdminRequestError } from '../../errors.js'
import { jsonBytesReply, jsonReply, type Reply, textReply } from '../http/reply.js'
import { answer, type Envelope } from './answer.js'
import type { Context } from './context.js'
import { faultOf, isRefusal, messageOf } from './fault.js'
import { type ParameterSource, type Parameters, readParameters } from './parameters.js'
import { badRequest, type JolokiaRequest } from './request.js'
import { ownProperty, requestFromBody } from './request-from-body.js'
import { requestFromPath } from './request-from-path.js'

/** An HTTP request below the protocol's base URL. */
export interface JolokiaHttpRequest {
  readonly method: string
  /** What follows the base, still percent-encoded. */
  readonly path: string
  readonly query: URLSearchParams
  /** The parsed body of a POST. */
  readonly body: unknown
  /** Requests that one bulk may hold. */
  readonly maxBulk: number
  /** Bytes of a bulk's answers after which no further request is done. */
  readonly maxAnswerBytes: number
}

/**
 * Answers an HTTP request of the Jolokia protocol 8.2. Errors of what a request asks are in a 200, in the form of the protocol; a
 * request that can't be understood is a 400 in plain text, or in a bulk the item's own answer.
 */
export async function answerJolokia(http: JolokiaHttpRequest, context: Context): Promise<Reply> {
  try {
    if (http.method === 'POST') {
      if (Array.isArray(http.body)) return await answerBulk(http.body, http, context)
      return jsonReply(200, await answerItem(http.body, http, context))
    }
    if (http.method !== 'GET') throw badRequest('expected GET or POST')
    const request = requestFromPath(pathOf(http))
    return jsonReply(200, await answer(request, context, readParameters(queryOf(http))))
  } catch (error) {
    if (isRefusal(error, 'bad-request')) return textReply(400, messageOf(error))
    throw error
  }
}

/** The path, or in its absence the parameter `p`. The parameter is decoded already, the path is decoded once. */
function pathOf({ path, query }: JolokiaHttpRequest): string {
  if (path !== '' && path !== '/') return decode(path)
  return query.get('p') ?? ''
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (error) {
    throw new AdminRequestError('bad-request', 'the path is not percent-encoded as it should be', { cause: error })
  }
}

function queryOf({ query }: JolokiaHttpRequest): ParameterSource {
  return (name) => query.get(name)
}

/**
 * Each answer becomes bytes by itself, and the event loop is given back before the next: most operations end at once, and those of one
 * bulk would hold up all visitors together.
 */
async function answerBulk(items: unknown[], http: JolokiaHttpRequest, context: Context): Promise<Reply> {
  const { maxBulk, maxAnswerBytes } = http
  if (items.length > maxBulk) throw badRequest(`the bulk has ${items.length} requests, expected at most ${maxBulk}`)
  readParameters(queryOf(http))
  const parts: Buffer[] = []
  let size = 0
  for (const item of items) {
    if (parts.length > 0) await pause()
    const envelope = size > maxAnswerBytes ? tooMuch(maxAnswerBytes) : await answerBulkItem(item, http, context)
    const part = Buffer.from(`${parts.length === 0 ? '[' : ','}${JSON.stringify(envelope)}`)
    size += part.length
    parts.push(part)
  }
  return jsonBytesReply(200, Buffer.concat([...parts, Buffer.from(parts.length === 0 ? '[]' : ']')]))
}

/** What comes after too many bytes of answers is not done. */
function tooMuch(maxBytes: number): Envelope {
  const message = `the answers before it have more than ${maxBytes} bytes: ask for it in another request`
  return faultOf(new AdminRequestError('illegal-argument', message))
}

async function answerItem(item: unknown, http: JolokiaHttpRequest, context: Context): Promise<Envelope> {
  const { request, parameters } = understand(item, http)
  return answer(request, context, parameters)
}

/** One bad item does not take the others with it. */
async function answerBulkItem(item: unknown, http: JolokiaHttpRequest, context: Context): Promise<Envelope> {
  try {
    return await answerItem(item, http, context)
  } catch (error) {
    if (!isRefusal(error, 'bad-request')) throw error
    return faultOf(error)
  }
}

function understand(item: unknown, http: JolokiaHttpRequest): { request: JolokiaRequest; parameters: Parameters } {
  const config = ownProperty(item, 'config')
  const parameters = readParameters((name) => ownProperty(config, name), queryOf(http))
  return { request: requestFromBody(item), parameters }
}
