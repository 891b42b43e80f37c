import { type IncomingMessage, OutgoingMessage, type ServerResponse } from 'node:http'
import type { HttpStatusError } from '../errors.js'
import { answerWith, rememberHead } from './response-head.js'
import { onSocketClose } from './socket-close.js'

/** Who is told of a response's way. */
export interface ResponseObserver {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** The head is about to go. */
  beforeHead(): void
  /** The response is about to end; what comes back is waited for first. Must not reject. */
  finish(): Promise<unknown> | undefined
  /** What the response is to say in the place of what the application has said, while nothing has gone. */
  readonly refusal: HttpStatusError | undefined
  /** The response is over, whether it ended or was aborted. */
  close(): void
}

/*
 * Express gives every request and response an object shape of its own, so each property that is added to one costs a copy of its
 * whole description (over a kilobyte). Hence closures here, instead of shared functions that find their observer in a property.
 */

/* Only public methods are replaced, and those that are missing (on the stand-ins that some libraries pass) are left out. */

/**
 * Has the observer told when the response is over, however it came to that; at once when it is, or when nobody could tell.
 * @returns whether that is certain; if not, the response's end stands for it too.
 */
export function watchClose(observer: ResponseObserver): boolean {
  const { req, res } = observer
  const { socket } = req as Partial<IncomingMessage>
  if (typeof res.on !== 'function') {
    if (typeof socket?.once === 'function') onSocketClose(socket, () => observer.close())
    else if (typeof res.end !== 'function') observer.close()
    return false
  }
  if (res.closed === true || isGone(res)) {
    observer.close()
    return true
  }
  /* A pipelined response behind another one is not told when the connection is lost. */
  const forget = res.socket === null && socket ? onSocketClose(socket, () => observer.close()) : undefined
  res.on('close', () => {
    forget?.()
    observer.close()
  })
  return true
}

/** Whether an HTTP/2 response has lost its stream, and with it every use. */
export function isGone(res: ServerResponse): boolean {
  return (res as { stream?: { destroyed?: boolean } }).stream?.destroyed === true
}

/**
 * Has the observer told when the whole response has been handed over for sending: for what nobody waits for.
 * @returns whether the response can tell that.
 */
export function watchSent(observer: ResponseObserver): boolean {
  const { res } = observer
  /* Node emits this within `end()`, before a slow client has taken anything. */
  if (!(res instanceof OutgoingMessage)) return false
  res.on('prefinish', () => void observer.finish())
  return true
}

/** Has the observer told when the head is about to go. */
export function watchHead(observer: ResponseObserver): void {
  const { res } = observer
  const original = res.writeHead
  if (typeof original !== 'function') return
  res.writeHead = function writeHead(this: ServerResponse, ...args: unknown[]) {
    if (!this.headersSent && !isGone(this)) {
      settleHead(this, args)
      observer.beforeHead()
    }
    return original.apply(this, args as Parameters<ServerResponse['writeHead']>)
  } as ServerResponse['writeHead']
}

/** Has the observer told when the response is about to end. */
export function watchEnd(observer: ResponseObserver): void {
  const { res } = observer
  const original = res.end
  if (typeof original !== 'function') return
  const withoutHead = typeof res.writeHead !== 'function'
  const withoutEvents = typeof res.on !== 'function'
  const isPlain = res instanceof OutgoingMessage
  let waiting = false
  const lateCallbacks: unknown[] = []
  res.end = function end(this: ServerResponse, ...args: unknown[]) {
    if (waiting) {
      lateCallbacks.push(args.find((arg) => typeof arg === 'function'))
      return this
    }
    if (isPlain) checkBody(args[0])
    const wait = observer.finish()
    if (wait === undefined) return endNow(this, args)
    waiting = true
    const restoreHead = rememberHead(this)
    const restoreWrite = refuseWrites(this)
    wait
      .then(() => {
        restoreHead()
        restoreWrite()
        endNow(this, args)
        for (const callback of lateCallbacks) if (callback !== undefined) original.apply(this, [callback] as never)
      })
      .catch((error: Error) => this.destroy(error))
    return this
  } as ServerResponse['end']

  function endNow(response: ServerResponse, args: unknown[]): ServerResponse {
    waiting = false
    if (withoutHead) observer.beforeHead()
    const { refusal } = observer
    const given = refusal === undefined || response.headersSent ? args : answerWith(response, refusal)
    const result = original.apply(response, given as Parameters<ServerResponse['end']>)
    if (withoutEvents) observer.close()
    return result
  }
}

/* Node would say so when nobody can handle it any more. What counts as no body for Node does so here. */
function checkBody(body: unknown): void {
  if (!body || typeof body === 'function' || typeof body === 'string' || body instanceof Uint8Array) return
  const message = `The "chunk" argument must be of type string or an instance of Buffer or Uint8Array. Received ${typeof body}`
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' })
}

/* What is written behind the end must not come before it. @returns what takes writes again. */
function refuseWrites(res: ServerResponse): () => void {
  const own = Object.getOwnPropertyDescriptor(res, 'write')
  res.write = ((...args: unknown[]) => {
    const callback = args.find((arg) => typeof arg === 'function') as ((error: Error) => void) | undefined
    const error = Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' })
    if (callback !== undefined) process.nextTick(callback, error)
    return false
  }) as ServerResponse['write']
  return () => {
    if (own === undefined) Reflect.deleteProperty(res, 'write')
    else Object.defineProperty(res, 'write', own)
  }
}

/*
 * Headers that are given to writeHead replace those that were set: cookies among them would take ours with them, and what they say
 * of caches decides about ours.
 */
function settleHead(res: ServerResponse, args: unknown[]): void {
  const headers = args.at(-1)
  if (Array.isArray(headers)) {
    args[args.length - 1] = settleList(res, flatList(headers))
    return
  }
  if (typeof headers !== 'object' || headers === null) return
  for (const name of Object.keys(headers)) {
    if (!isOurs(name)) continue
    const { [name]: value, ...others } = args[args.length - 1] as Record<string, string | string[]>
    res.setHeader(name, value as string | string[])
    args[args.length - 1] = others
  }
}

function isOurs(name: string): boolean {
  const { length } = name
  return (
    (length === 10 && name.toLowerCase() === 'set-cookie') || (length === 13 && name.toLowerCase() === 'cache-control')
  )
}

/* Node takes a list of pairs only while no other header is set, and ours may be. */
function flatList(headers: unknown[]): unknown[] {
  return Array.isArray(headers[0]) ? headers.flat() : headers
}

/* Names and values in turn. */
function settleList(res: ServerResponse, headers: unknown[]): unknown[] {
  const ours = new Map<string, string[]>()
  const others: unknown[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = String(headers[i]).toLowerCase()
    if (isOurs(name)) ours.set(name, [...(ours.get(name) ?? []), ...([headers[i + 1]].flat() as string[])])
    else others.push(headers[i], headers[i + 1])
  }
  for (const [name, values] of ours) res.setHeader(name, values)
  return ours.size === 0 ? headers : others
}
