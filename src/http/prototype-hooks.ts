import { ServerResponse } from 'node:http'
import type { HttpStatusError } from '../errors.js'
import { answerOf, rememberHead } from './response-head.js'
import { callbackOf, checkBody, refuseWrite } from './waiting-end.js'
import { settleHead } from './written-head.js'

/*
 * Express gives every request and response an object shape of its own. A property that is added to one costs a copy of its whole
 * description (over a kilobyte), and each property that is looked up on one costs a search. Hence hooks that stand once on the
 * prototype which all responses of Express share, under the responses' own methods, and find their observer beside the response.
 */

/** Who is told of a response's way. */
export interface ResponseObserver {
  /** For the hooks alone: what is watched, and whether the end of the response waits. `0` at the beginning. */
  hooks: number
  /** The head is about to go. */
  beforeHead(): void
  /** The response is about to end; what comes back is waited for first. Must not reject. */
  finish(): Promise<unknown> | undefined
  /** What the response is to say in the place of what the application has said, while nothing has gone. */
  readonly refusal: HttpStatusError | undefined
  /** The response is over, whether it ended or was aborted. */
  close(): void
}

const HEAD = 1
const END = 2
const CLOSE = 4
const WAITING = 8

type Method = (this: ServerResponse, ...args: never[]) => unknown

/** The methods that stand on a prototype of ours. */
interface Hooks {
  readonly writeHead: Method
  readonly end: Method
  readonly emit: Method
}

const observers = new WeakMap<ServerResponse, ResponseObserver>()
/** Who called `end` once more while it waited. */
const late = new WeakMap<ServerResponse, unknown[]>()
/** By the prototype of a response; `undefined` as a value: there is nowhere to put them. */
const known = new WeakMap<object, Hooks | undefined>()

/**
 * Watches with hooks on the prototype.
 * @returns false: this response has methods of its own, or no prototype that could carry hooks, or another observer.
 */
export function watchHeadBelow(res: ServerResponse, observer: ResponseObserver): boolean {
  const hooks = hooksUnder(res)
  return hooks !== undefined && res.writeHead === hooks.writeHead && watch(res, observer, HEAD)
}

/** As `watchHeadBelow`. */
export function watchEndBelow(res: ServerResponse, observer: ResponseObserver): boolean {
  const hooks = hooksUnder(res)
  return hooks !== undefined && res.end === hooks.end && watch(res, observer, END)
}

/** As `watchHeadBelow`; of a response that is being sent, or will be next, on a connection that is there. */
export function watchCloseBelow(res: ServerResponse, observer: ResponseObserver): boolean {
  const hooks = hooksUnder(res)
  if (hooks === undefined || res.emit !== hooks.emit) return false
  const { socket } = res
  return socket !== null && !socket.destroyed && watch(res, observer, CLOSE)
}

function watch(res: ServerResponse, observer: ResponseObserver, what: number): boolean {
  if (observer.hooks === 0) {
    if (observers.has(res)) return false
    observers.set(res, observer)
  }
  observer.hooks |= what
  return true
}

function hooksUnder(res: ServerResponse): Hooks | undefined {
  const prototype = Object.getPrototypeOf(res)
  const hooks = known.get(prototype)
  if (hooks !== undefined || known.has(prototype)) return hooks
  const made = hooksFor(prototype)
  known.set(prototype, made)
  return made
}

/*
 * The prototype right above Node's own: applications that are mounted in one another have prototypes of their own, and a request may
 * leave an application again. Node's is not ours to change, and there properties cost little.
 */
function hooksFor(prototype: object): Hooks | undefined {
  let last = prototype
  for (let next = last; next !== ServerResponse.prototype; next = Object.getPrototypeOf(next)) {
    if (next === null) return undefined
    last = next
  }
  if (last === ServerResponse.prototype || !Object.isExtensible(last)) return undefined
  if (!known.has(last)) known.set(last, install(last as ServerResponse))
  return known.get(last)
}

function install(prototype: ServerResponse): Hooks {
  const writeHead = originalOf(prototype, 'writeHead')
  const end = originalOf(prototype, 'end')
  const write = originalOf(prototype, 'write')
  const emit = originalOf(prototype, 'emit')
  const hooks = {
    writeHead(this: ServerResponse, ...args: unknown[]) {
      const observer = observers.get(this)
      if (observer !== undefined && (observer.hooks & HEAD) !== 0 && !this.headersSent) {
        settleHead(this, args)
        observer.beforeHead()
      }
      return writeHead().apply(this, args as never[])
    },

    end(this: ServerResponse, ...args: unknown[]) {
      const observer = observers.get(this)
      if (observer === undefined || (observer.hooks & END) === 0) return end().apply(this, args as never[])
      if ((observer.hooks & WAITING) !== 0) {
        noteLate(this, callbackOf(args))
        return this
      }
      checkBody(args[0])
      const wait = observer.finish()
      if (wait === undefined) return end().apply(this, answerOf(this, observer.refusal, args) as never[])
      observer.hooks |= WAITING
      const restoreHead = rememberHead(this)
      wait
        .then(() => {
          restoreHead()
          observer.hooks &= ~WAITING
          end().apply(this, answerOf(this, observer.refusal, args) as never[])
          for (const callback of late.get(this) ?? []) end().apply(this, [callback] as never[])
        })
        .catch((error: Error) => this.destroy(error))
      return this
    },

    write(this: ServerResponse, ...args: unknown[]) {
      const observer = observers.get(this)
      if (observer !== undefined && (observer.hooks & WAITING) !== 0) return refuseWrite(args)
      return write().apply(this, args as never[])
    },

    emit(this: ServerResponse, event: string | symbol, ...args: unknown[]) {
      if (event === 'close') tellClose(this)
      return emit().apply(this, [event, ...args] as never[])
    },
  }
  for (const [name, value] of Object.entries(hooks)) {
    Object.defineProperty(prototype, name, { value, configurable: true, enumerable: true, writable: true })
  }
  return hooks as unknown as Hooks
}

function noteLate(res: ServerResponse, callback: unknown): void {
  if (callback !== undefined) late.set(res, [...(late.get(res) ?? []), callback])
}

function tellClose(res: ServerResponse): void {
  const observer = observers.get(res)
  if (observer === undefined || (observer.hooks & CLOSE) === 0) return
  observer.hooks &= ~CLOSE
  observer.close()
}

/* One that stands there already stays in between; what is inherited is looked up at each call, as without us. */
function originalOf(prototype: ServerResponse, name: 'writeHead' | 'end' | 'write' | 'emit'): () => Method {
  if (Object.hasOwn(prototype, name)) {
    const own = prototype[name] as Method
    return () => own
  }
  const parent = Object.getPrototypeOf(prototype)
  return () => parent[name]
}
