/** One server as the balancer reaches it. */
export interface BalancedServer {
  /** Its name in session ids: letters, digits, `_` and `-`. */
  readonly route: string
  /** A name, an IPv4 address, or an IPv6 address in brackets. */
  readonly host: string
  readonly port: number
  /** The port that answers `/readyz`. */
  readonly healthPort: number
}

/** Everything that a configuration of a balancer is printed from. */
export interface BalancerPlan {
  /** Name of the session cookie: letters, digits, `_`, `-` and `.`. */
  readonly cookieName: string
  /** Whether a visitor stays at the server that the session id names. If not, the servers take turns. */
  readonly sticky: boolean
  readonly servers: readonly BalancedServer[]
  /** Path that answers 200 while a server should get visitors. `undefined`: the balancer asks nobody. */
  readonly healthPath: string | undefined
  /** Where the balancer listens. `host` `*`: on all addresses. */
  readonly listen: { readonly host: string; readonly port: number }
  /** PEM files for TLS; `undefined`: plain HTTP. `key` is the same file where both are in one. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined
  /** Seconds that a session may go without a request; 0: for ever. */
  readonly idleSeconds: number
  /** Seconds that the session cookie stays in the browser; `undefined`: until the browser closes. */
  readonly cookieSeconds: number | undefined
}

/** `host:port` of a server. */
export function addressOf({ host, port }: { host: string; port: number }): string {
  return `${host}:${port}`
}

/** Whether `/readyz` is on another port than the application. */
export function hasOwnHealthPort({ port, healthPort }: BalancedServer): boolean {
  return port !== healthPort
}

/** A cookie's name in a regular expression. Of what it may have, only the dot has a meaning there. */
export function escapeName(cookieName: string): string {
  return cookieName.replaceAll('.', '\\.')
}

/** Every line that is not empty, moved to the right. */
export function indent(text: string, by: number): string {
  return text.replace(/^(?=.)/gm, ' '.repeat(by))
}
