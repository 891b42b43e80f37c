import { createHash } from 'node:crypto'
import Jolokia, { type JolokiaConfiguration, type JolokiaRequest } from 'jolokia.js'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import type { AppServer } from '../support/app-server.js'

/** An administration that may be changed, on a free port of loopback. */
export const openAdmin: NonNullable<HoldfastOptions['admin']> = {
  listen: '127.0.0.1:0',
  readOnly: false,
  rate: 100_000,
}

const token = 'a-token-of-those-who-choose-the-nodes'
const sha256 = createHash('sha256').update(token).digest('hex')

/** The same for somebody who may choose the storage nodes, which nobody may without a login. */
export const nodesAdmin = {
  ...openAdmin,
  auth: { tokens: [{ name: 'chooser', role: 'operator' as const, nodes: true, sha256 }] },
}
export const asChooser = { authorization: `Bearer ${token}` }

// biome-ignore lint/suspicious/noExplicitAny: answers of any shape
export type Answer = any

/** The real client jolokia.js, with the calls that people make; each keeps the text of what came back. */
export class AdminClient {
  readonly url: string
  /** Everything that was answered, to be searched for what must not be in it. */
  readonly seen: string[] = []
  private readonly headers: Record<string, string>
  private readonly jolokia: ReturnType<typeof connect>

  constructor(server: AppServer, headers: Record<string, string> = {}) {
    this.headers = headers
    this.url = server.sessions.adminUrl as string
    this.jolokia = connect(`${this.url}/jolokia`, headers)
  }

  async ask(request: object | object[]): Promise<Answer> {
    const answer = await this.jolokia.request(request as JolokiaRequest, { method: 'post' } as never).catch(bodyOf)
    this.seen.push(JSON.stringify(answer))
    return answer
  }

  /** The value of an attribute, or of all. @throws when it is refused. */
  async read(type: string, attribute?: string): Promise<Answer> {
    return soundValue(await this.ask({ type: 'read', mbean: nameOf(type), ...(attribute && { attribute }) }))
  }

  /** Gives the whole answer: its value is the old one. */
  write(type: string, attribute: string, value: unknown): Promise<Answer> {
    return this.ask({ type: 'write', mbean: nameOf(type), attribute, value })
  }

  async exec(type: string, operation: string, ...args: unknown[]): Promise<Answer> {
    return soundValue(await this.call(type, operation, ...args))
  }

  /** The whole answer, for those that are refused. */
  call(type: string, operation: string, ...args: unknown[]): Promise<Answer> {
    return this.ask({ type: 'exec', mbean: nameOf(type), operation, arguments: args })
  }

  async metrics(): Promise<string> {
    const text = await (await fetch(`${this.url}/metrics`, { headers: this.headers })).text()
    this.seen.push(text)
    return text
  }
}

/** A request that is no good has another status than 200: then the client throws the response, whose text says why. */
async function bodyOf(thrown: unknown): Promise<Answer> {
  if (thrown instanceof Response) return { status: thrown.status, error: (await thrown.text()).trim() }
  throw thrown
}

function nameOf(type: string): string {
  return `holdfast:type=${type}`
}

function soundValue(answer: Answer): Answer {
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.error}`)
  return answer.value
}

function connect(url: string, headers: Record<string, string>) {
  return new Jolokia({ url, headers } as JolokiaConfiguration)
}
