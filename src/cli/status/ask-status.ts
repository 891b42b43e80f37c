/** What a server's administration says at one moment. */
export interface Status {
  /** Milliseconds since the epoch, by our clock. */
  at: number
  manager: Attributes
  statistics: Attributes
  writeBehind: Attributes
  locking: Attributes
  nodes: Attributes[]
}

export type Attributes = Record<string, unknown>

/** Where to ask, and as whom. */
export interface Endpoint {
  /** The administration's own URL, without `/jolokia`. */
  url: URL
  authorization: string | undefined
}

/** The endpoint gave no status; the message says why, for people. */
export class StatusError extends Error {}

const TIMEOUT = 5000
const MAX_MESSAGE = 200

const single = ['SessionManager', 'Statistics', 'WriteBehind', 'Locking'] as const
const requests = [...single.map((type) => `holdfast:type=${type}`), 'holdfast:type=StorageNode,*'].map((mbean) => ({
  type: 'read',
  mbean,
}))

/** Reads everything in one bulk request of the Jolokia protocol. @throws StatusError */
export async function askStatus(endpoint: Endpoint): Promise<Status> {
  const values = await readAll(endpoint)
  const [manager, statistics, writeBehind, locking, nodes] = values as [
    Attributes,
    Attributes,
    Attributes,
    Attributes,
    Record<string, Attributes>,
  ]
  return { at: Date.now(), manager, statistics, writeBehind, locking, nodes: Object.values(nodes) }
}

async function readAll({ url, authorization }: Endpoint): Promise<unknown[]> {
  const response = await post(new URL(`${url.pathname.replace(/\/+$/, '')}/jolokia/`, url), authorization)
  const text = await response.text()
  if (response.status === 401) throw new StatusError(`${url.host} wants a login: see holdfast status --help`)
  if (!response.ok) throw new StatusError(`${url.host} answers ${response.status}: ${text.slice(0, MAX_MESSAGE)}`)
  const answers = answersIn(text, url)
  return answers.map((answer, index) => {
    if (answer.status === 200) return answer.value
    throw new StatusError(`${url.host}: ${requests[index]?.mbean}: ${String(answer.error).slice(0, MAX_MESSAGE)}`)
  })
}

async function post(url: URL, authorization: string | undefined): Promise<Response> {
  const headers = { 'Content-Type': 'application/json', ...(authorization !== undefined && { authorization }) }
  try {
    return await fetch(url, {
      method: 'POST',
      headers,
      body: JSON.stringify(requests),
      signal: AbortSignal.timeout(TIMEOUT),
      redirect: 'error',
    })
  } catch (error) {
    throw new StatusError(`no answer from ${url.host}: ${reasonOf(error)}`)
  }
}

/* What fetch says is "fetch failed"; the reason is inside. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (error.name === 'TimeoutError') return `it takes longer than ${TIMEOUT / 1000} s`
  if (!(cause instanceof Error)) return error.message
  const code = (cause as NodeJS.ErrnoException).code
  return code === 'ECONNREFUSED' ? 'nothing listens there' : cause.message || code || error.message
}

interface Answer {
  status: number
  value?: unknown
  error?: unknown
}

function answersIn(text: string, url: URL): Answer[] {
  const answers = parsed(text)
  const sound = Array.isArray(answers) && answers.length === requests.length
  if (!sound) throw new StatusError(`what ${url.host} answers is not from Holdfast's administration`)
  return answers as Answer[]
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
