import type { ServerResponse } from 'node:http'

/** Who is told of a response's way. */
export interface ResponseObserver {
  readonly res: ServerResponse
  /** The head is about to go. */
  beforeHead(): void
  /** The response is about to end; what comes back is waited for first. Must not reject. */
  finish(): Promise<unknown> | undefined
  /** The response is over, whether it ended or was aborted. */
  close(): void
}

const HOOK = Symbol('holdfast response')

interface Hook {
  observer: ResponseObserver
  writeHead: ServerResponse['writeHead']
  end: ServerResponse['end']
}

type HookedResponse = ServerResponse & { [HOOK]?: Hook }

/**
 * Has the observer told when the head goes and when the response ends. The functions are shared by all responses. Only public
 * methods are replaced, and those that are missing (on the stand-ins that some libraries pass) are left out.
 */
export function installHooks(observer: ResponseObserver): void {
  const res = observer.res as HookedResponse
  res[HOOK] = { observer, writeHead: res.writeHead, end: res.end }
  if (typeof res.writeHead === 'function') res.writeHead = writeHead as ServerResponse['writeHead']
  if (typeof res.end === 'function') res.end = end as ServerResponse['end']
  if (typeof res.on === 'function') res.on('close', onClose)
}

function hookOf(res: HookedResponse): Hook {
  return res[HOOK] as Hook
}

function writeHead(this: HookedResponse, ...args: unknown[]): unknown {
  const { observer, writeHead: original } = hookOf(this)
  if (!this.headersSent) {
    keepCookies(this, args)
    observer.beforeHead()
  }
  return original.apply(this, args as Parameters<ServerResponse['writeHead']>)
}

function end(this: HookedResponse, ...args: unknown[]): unknown {
  const { observer, end: original } = hookOf(this)
  const wait = observer.finish()
  if (wait === undefined) return endNow(this, original, args)
  void wait.then(() => endNow(this, original, args))
  return this
}

function endNow(res: HookedResponse, original: ServerResponse['end'], args: unknown[]): unknown {
  const { observer } = hookOf(res)
  if (typeof res.writeHead !== 'function') observer.beforeHead()
  const result = original.apply(res, args as Parameters<ServerResponse['end']>)
  if (typeof res.on !== 'function') observer.close()
  return result
}

function onClose(this: HookedResponse): void {
  hookOf(this).observer.close()
}

/* Headers that are given to writeHead replace those that were set: cookies among them would take ours with them. */
function keepCookies(res: ServerResponse, args: unknown[]): void {
  const headers = args.at(-1)
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return
  for (const name of Object.keys(headers)) {
    if (name.toLowerCase() !== 'set-cookie') continue
    const { [name]: cookies, ...others } = headers as Record<string, string | string[]>
    res.setHeader('Set-Cookie', cookies as string | string[])
    args[args.length - 1] = others
  }
}
