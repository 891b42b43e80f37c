/** Node would say so when nobody can handle it any more. What counts as no body for Node does so here. @throws TypeError */
export function checkBody(body: unknown): void {
  if (!body || typeof body === 'function' || typeof body === 'string' || body instanceof Uint8Array) return
  const message = `The "chunk" argument must be of type string or an instance of Buffer or Uint8Array. Received ${typeof body}`
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' })
}

/** What is written behind the end must not come before it: tells so whoever asks. @returns what `write` gives back. */
export function refuseWrite(args: readonly unknown[]): false {
  const callback = callbackOf(args) as ((error: Error) => void) | undefined
  const error = Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' })
  if (callback !== undefined) process.nextTick(callback, error)
  return false
}

/** Of a call of `write` or `end`, if there is one. */
export function callbackOf(args: readonly unknown[]): unknown {
  return args.find((arg) => typeof arg === 'function')
}
