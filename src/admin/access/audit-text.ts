/**
 * A text for the audit log without what may be credentials. The rules are greedy, as a password may hold any character: everything up to
 * the last `@`, what follows a user or a key that is called a secret, the query of an address.
 */
export function withoutCredentials(text: string): string {
  const at = text.lastIndexOf('@')
  const shown = at === -1 ? text : `${redacted}${text.slice(at)}`
  return shown
    .replace(/(:\/\/[^:/\s,]*):(?!\d{1,5}(?:[/,\s?]|$)).*$/s, `$1:${redacted}`)
    .replace(/((?:pass|secret|token|key|auth|credential)\w*["']?\s*[=:]\s*).+$/is, `$1${redacted}`)
    .replace(/(:\/\/[^?]*)\?.*$/s, `$1?${redacted}`)
}

/** A reason without what it quotes: that is what somebody has sent. */
export function withoutQuotes(reason: string): string {
  return withoutCredentials(reason.replaceAll(/"(?:[^"\\]|\\.)*"/gs, '"…"'))
}

const redacted = '[redacted]'
