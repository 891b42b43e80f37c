/** What is sent back. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: string | Uint8Array
}

type Headers = Reply['headers']

export function textReply(status: number, text: string, headers: Headers = {}): Reply {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8', ...headers }, body: `${text}\n` }
}

export function jsonReply(status: number, value: unknown, headers: Headers = {}): Reply {
  return { ...jsonBytesReply(status, JSON.stringify(value)), headers: { ...json, ...headers } }
}

/** For what is JSON already. */
export function jsonBytesReply(status: number, body: string | Uint8Array): Reply {
  return { status, headers: json, body }
}

const json = { 'Content-Type': 'application/json; charset=utf-8' }
