import type { JolokiaAnswer, JolokiaRequest } from './jolokia-messages.js'

/** The server understood and said no; the message is its reason. */
export class RefusedError extends Error {}

/** The server wants to know who asks. */
export class LoginNeededError extends Error {}

/** There is no usable answer; `retryAfter`: seconds that the server asks to wait. */
export class NoConnectionError extends Error {
  retryAfter = 0
}

const TIMEOUT = 5000
/** Operations such as a flush take as long as they take; the server bounds them. */
const CHANGE_TIMEOUT = 40_000
/** What may stand in the header: anything else the browser would not send. */
const sendable = /^[\x21-\x7e]+$/
const TOKEN_KEY = 'holdfast-admin-token'

/** Asks the server that the page came from; the address is relative, as an application may mount it anywhere. */
export class JolokiaClient {
  /** The token that the visitor gave; kept until the tab is closed, and nowhere else. */
  get token(): string | undefined {
    return sessionStorage.getItem(TOKEN_KEY) ?? undefined
  }

  set token(token: string | undefined) {
    if (token === undefined) sessionStorage.removeItem(TOKEN_KEY)
    else sessionStorage.setItem(TOKEN_KEY, token)
  }

  /** Many requests in one. @throws {NoConnectionError}, {LoginNeededError} */
  async bulk(requests: readonly JolokiaRequest[], timeout = TIMEOUT): Promise<JolokiaAnswer[]> {
    const answers = await this.post(requests, timeout)
    if (!Array.isArray(answers)) throw new NoConnectionError('the answer is not of the protocol')
    return answers
  }

  /** One request; its value. @throws {RefusedError} with the server's reason, and as `bulk`. */
  async ask(request: JolokiaRequest): Promise<unknown> {
    const [answer] = await this.bulk([request], CHANGE_TIMEOUT)
    if (answer?.status !== 200) throw new RefusedError(answer?.error ?? 'the server gave no reason')
    return answer.value
  }

  private async post(body: unknown, timeout: number): Promise<unknown> {
    const response = await this.fetch(body, timeout)
    if (response.status === 401) throw new LoginNeededError('a login is needed')
    if (response.status === 403) throw new RefusedError(await reasonIn(response))
    if (!response.ok) throw unusable(response)
    return await response.json().catch(() => undefined)
  }

  private async fetch(body: unknown, timeout: number): Promise<Response> {
    const { token } = this
    if (token !== undefined && !sendable.test(token)) throw new LoginNeededError('that can be no token')
    try {
      return await fetch('jolokia?includeRequest=false&ignoreErrors=true', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeout),
      })
    } catch {
      throw new NoConnectionError('no answer')
    }
  }
}

async function reasonIn(response: Response): Promise<string> {
  const body = (await response.json().catch(() => undefined)) as JolokiaAnswer | undefined
  return body?.error ?? 'the server refuses this page'
}

function unusable(response: Response): NoConnectionError {
  const error = new NoConnectionError(`the server answers ${response.status}`)
  error.retryAfter = Number(response.headers.get('Retry-After') ?? 0) || 0
  return error
}
