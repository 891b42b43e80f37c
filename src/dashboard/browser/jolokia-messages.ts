/** One request of the Jolokia protocol. @see https://jolokia.org/reference/html/manual/jolokia_protocol.html */
export type JolokiaRequest =
  | { type: 'list' }
  | { type: 'read'; mbean: string; attribute?: string | readonly string[] }
  | { type: 'write'; mbean: string; attribute: string; value: unknown }
  | { type: 'exec'; mbean: string; operation: string; arguments: readonly unknown[] }

export interface JolokiaAnswer {
  status: number
  value?: unknown
  error?: string
}
