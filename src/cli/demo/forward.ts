import {
  type Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http'
import { pipeline } from 'node:stream'
import type { BackendAddress } from './backend.js'

/**
 * How one attempt ended: the client has its answer (or has gone, or got half of it) · `unsent`: nothing reached the
 * server · `stale`: a kept connection turned out to be closed · `unanswered`: the server had the request and gave no byte.
 */
export type Outcome = 'answered' | 'unsent' | 'stale' | 'unanswered'

export interface ForwardOptions {
  /** `false`: a connection of its own. */
  agent: Agent | false
  /** Milliseconds to connect. */
  connectTimeout: number
  /** Milliseconds without a byte from the server. */
  responseTimeout: number
}

const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']

/** Sends a request to a server and its answer to the client; until a connection stands, the request's body is untouched. */
export function forward(
  backend: BackendAddress,
  req: IncomingMessage,
  res: ServerResponse,
  options: ForwardOptions,
): Promise<Outcome> {
  return new Promise((resolve) => {
    let connected = false
    const upstream = request({
      host: backend.host,
      port: backend.port,
      method: req.method,
      path: req.url,
      headers: requestHeaders(req),
      agent: options.agent,
      timeout: options.responseTimeout,
    })
    const abandoned = (): void => {
      upstream.destroy()
      resolve('answered')
    }
    const settle = (outcome: Outcome): void => {
      res.off('close', abandoned)
      resolve(outcome)
    }
    res.once('close', abandoned)
    upstream.on('timeout', () => {
      const read = upstream.socket?.bytesRead
      unlessArrived(() => upstream.socket?.bytesRead === read, upstream, 'no answer in time')
    })
    upstream.once('socket', (socket) => {
      if (!socket.connecting) return sendBody()
      const late = (): void => unlessArrived(() => !connected, upstream, 'no connection in time')
      const timer = setTimeout(late, options.connectTimeout)
      socket.once('close', () => clearTimeout(timer))
      socket.once('connect', () => {
        clearTimeout(timer)
        sendBody()
      })
    })
    upstream.once('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers))
      pipeline(answer, res, () => settle('answered'))
    })
    upstream.on('error', () => {
      req.unpipe(upstream)
      if (res.headersSent) return void res.destroy()
      settle(!connected ? 'unsent' : upstream.reusedSocket ? 'stale' : 'unanswered')
    })

    function sendBody(): void {
      connected = true
      if (hasBody(req)) req.pipe(upstream)
      else upstream.end()
    }
  })
}

/**
 * Timers run before sockets are read. When this process itself was busy for longer than the time-out, what it waits for may have arrived
 * in time: that is read first, and the time-out holds only when it brought nothing.
 */
export function unlessArrived(isMissing: () => boolean, request: ClientRequest, problem: string): void {
  setImmediate(() => {
    if (isMissing()) request.destroy(new Error(problem))
  })
}

export function hasBody(req: IncomingMessage): boolean {
  return req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0
}

function requestHeaders(req: IncomingMessage): IncomingHttpHeaders {
  const headers = endToEnd(req.headers)
  headers['x-forwarded-for'] = req.socket.remoteAddress
  headers['x-forwarded-proto'] = 'http'
  if (hasBody(req) && headers['content-length'] === undefined) headers['transfer-encoding'] = 'chunked'
  for (const [name, value] of Object.entries(headers)) if (value === undefined) delete headers[name]
  return headers
}

function endToEnd(all: IncomingHttpHeaders): IncomingHttpHeaders {
  const headers = { ...all }
  for (const name of HOP_BY_HOP) delete headers[name]
  return headers
}
