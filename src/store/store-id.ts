import { createHash } from 'node:crypto'
import type { ManagerContext } from '../manager/context/manager-context.js'
import { parseSessionId, type SessionId, SessionTokens } from '../session-id/session-id.js'

/** What a text that a library uses as session id stands for. */
export type StoreId =
  /** An id that we issued: the session that visitors have. */
  | { kind: 'own'; id: SessionId }
  /** The library's own text. Its session is under the first token; the others belong to secrets that rotate out. */
  | { kind: 'foreign'; tokens: string[] }

/** @throws TypeError when `sid` is not text. */
export function readStoreId(sid: unknown, context: ManagerContext): StoreId {
  if (typeof sid !== 'string' || sid === '') throw new TypeError('a session id must be text')
  const id = parseSessionId(sid)
  if (id?.isIssuedBy(context.tokens)) return { kind: 'own', id }
  return { kind: 'foreign', tokens: derivedTokens(sid, context) }
}

/* The same text leads to the same token on every server; nobody without the secret can tell which. */
function derivedTokens(sid: string, { tokens, settings }: ManagerContext): string[] {
  const digest = createHash('sha256').update(sid).digest('hex')
  const older = settings.secret.slice(1).map((secret) => new SessionTokens([secret]))
  return [tokens, ...older].map((issuer) => issuer.issue(digest))
}
