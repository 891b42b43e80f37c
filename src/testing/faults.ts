/**
 * What a faulty server does with a request.
 *
 * - `silent`: reads it and never answers; the request has no effect
 * - `unanswered`: carries it out and keeps the answer
 * - `close`, `reset`: ends the connection in order (FIN) or hard (RST) instead of carrying it out
 * - `cut-reply`: carries it out, sends the first `bytes` of the reply (default: half), then stops, closes or resets
 * - `delay`: carries it out at once and answers after `ms`
 * - `other-request`: answers with the reply's opaque number changed, as if it belonged to another request
 * - `other-key`: carries it out for another key and answers as if for the one that was asked for
 * - `garbage`: answers with bytes that are no reply
 * - `status`: answers with an error status; the request has no effect
 * - `claim-stored`: says of a write that it was stored, with an invented CAS; the request has no effect
 */
export type Fault =
  | { kind: 'silent' | 'unanswered' | 'close' | 'reset' | 'other-request' | 'garbage' | 'claim-stored' }
  | { kind: 'cut-reply'; bytes?: number; afterwards: 'stop' | 'close' | 'reset' }
  | { kind: 'delay'; ms: number }
  | { kind: 'other-key'; key: string }
  | { kind: 'status'; status: number }
