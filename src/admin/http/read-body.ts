import type { IncomingMessage } from 'node:http'
import type { AdminLimits } from '../admin-settings.js'

/** A body, or why there is none that can be used. */
export type Body = { value: unknown } | { refused: 'too-large' | 'too-slow' | 'aborted' | 'malformed' | 'too-deep' }

/**
 * Reads and parses a body of JSON within the limits. Where the application has parsed it already, that is taken.
 */
export async function readBody(req: IncomingMessage, limits: AdminLimits): Promise<Body> {
  if (req.readableDidRead) return parsedByOthers((req as { body?: unknown }).body, limits)
  const bytes = await receive(req, limits)
  return typeof bytes === 'string' ? { refused: bytes } : parse(bytes, limits)
}

function parsedByOthers(body: unknown, limits: AdminLimits): Body {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return parse(Buffer.from(body), limits)
  if (typeof body !== 'object' || body === null) return { refused: 'malformed' }
  return deeperThan(body, limits.bodyDepth) ? { refused: 'too-deep' } : { value: body }
}

function deeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some((item) => deeperThan(item, depth - 1))
}

function receive(req: IncomingMessage, limits: AdminLimits): Promise<Buffer | 'too-large' | 'too-slow' | 'aborted'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const end = (result: Buffer | 'too-large' | 'too-slow' | 'aborted'): void => {
      clearTimeout(timer)
      req.off('data', onData).off('end', onEnd).off('close', onClose)
      if (typeof result === 'string') req.pause()
      resolve(result)
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size > limits.bodyBytes) end('too-large')
      else chunks.push(chunk)
    }
    const onEnd = (): void => end(Buffer.concat(chunks))
    const onClose = (): void => end('aborted')
    const timer = setTimeout(() => end('too-slow'), limits.requestTimeout)
    timer.unref()
    req.on('data', onData).on('end', onEnd).on('close', onClose)
    req.once('error', onClose)
  })
}

function parse(bytes: Buffer, limits: AdminLimits): Body {
  const text = bytes.toString('utf8')
  if (bytes.length > limits.bodyBytes) return { refused: 'too-large' }
  if (nesting(text) > limits.bodyDepth) return { refused: 'too-deep' }
  try {
    return { value: JSON.parse(text) }
  } catch {
    return { refused: 'malformed' }
  }
}

/** How deep brackets are nested in a text of JSON, known before it is parsed. */
function nesting(text: string): number {
  let [depth, deepest, quoted] = [0, 0, false]
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (quoted && character === '\\') at++
    else if (character === '"') quoted = !quoted
    else if (quoted) continue
    else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth)
    else if (character === ']' || character === '}') depth--
  }
  return deepest
}
