import { type IncomingMessage, OutgoingMessage, type ServerResponse } from 'node:http'
import { type ResponseObserver as Observer, watchCloseBelow, watchEndBelow, watchHeadBelow } from './prototype-hooks.js'
import { answerOf, rememberHead } from './response-head.js'
import { onSocketClose } from './socket-close.js'
import { callbackOf, checkBody, refuseWrite } from './waiting-end.js'
import { settleHead } from './written-head.js'

/** Who is told of a response's way. */
export interface ResponseObserver extends Observer {
  readonly req: IncomingMessage
  readonly res: ServerResponse
}

/*
 * Where all responses share a prototype that is not Node's, as with Express, the hooks stand there. Elsewhere, and where somebody else has
 * put methods on this one response, they are closures on the response itself.
 */

/* Only public methods are replaced, and those that are missing (on the stand-ins that some libraries pass) are left out. */

/**
 * Has the observer told when the response is over, however it came to that; at once when it is, or when nobody could tell.
 * @returns whether that is certain; if not, the response's end stands for it too.
 */
export function watchClose(observer: ResponseObserver): boolean {
  const { req, res } = observer
  if (watchCloseBelow(res, observer)) return true
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
  if (watchEndBelow(res, observer)) return true
  /* Node emits this within `end()`, before a slow client has taken anything. */
  if (!(res instanceof OutgoingMessage)) return false
  res.on('prefinish', () => void observer.finish())
  return true
}

/** Has the observer told when the head is about to go. */
export function watchHead(observer: ResponseObserver): void {
  const { res } = observer
  if (watchHeadBelow(res, observer)) return
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
  if (watchEndBelow(res, observer)) return
  const original = res.end
  if (typeof original !== 'function') return
  const withoutHead = typeof res.writeHead !== 'function'
  const withoutEvents = typeof res.on !== 'function'
  const isPlain = res instanceof OutgoingMessage
  let waiting = false
  const lateCallbacks: unknown[] = []
  res.end = function end(this: ServerResponse, ...args: unknown[]) {
    if (waiting) {
      lateCallbacks.push(callbackOf(args))
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
    const given = answerOf(response, observer.refusal, args)
    const result = original.apply(response, given as Parameters<ServerResponse['end']>)
    if (withoutEvents) observer.close()
    return result
  }
}

/* @returns what takes writes again. */
function refuseWrites(res: ServerResponse): () => void {
  const own = Object.getOwnPropertyDescriptor(res, 'write')
  res.write = ((...args: unknown[]) => refuseWrite(args)) as ServerResponse['write']
  return () => {
    if (own === undefined) Reflect.deleteProperty(res, 'write')
    else Object.defineProperty(res, 'write', own)
  }
}
