/** What is known of a connection that is in trouble. */
export interface TroubledConnection {
  encrypted: boolean
  /** Whether the server has given a good answer on it. */
  proven: boolean
  /** What the server should speak, for people: `Redis`. */
  protocol: string
  /** The schemes of its addresses, without and with TLS. */
  schemes: readonly [plain: string, encrypted: string]
}

const untrusted: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the name of its host is not known',
  EAI_AGAIN: 'the name of its host can not be looked up',
  EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no way to its network',
  ENOENT: 'there is no such socket',
  EACCES: 'this process may not use its socket',
}

/**
 * What has happened to a connection, for people: the end of a sentence that begins with the storage node. It says what is likely to be
 * set up wrong where the error tells that.
 */
export function troubleOf(
  error: Error,
  { encrypted, schemes }: Pick<TroubledConnection, 'encrypted' | 'schemes'>,
): string {
  const code = codeOf(error)
  if (encrypted && speaksNoTls(error)) return `speaks no TLS: then its address begins with ${schemes[0]}`
  if (encrypted && untrusted.has(code)) {
    const text = firstLine(error.message)
    return `shows a certificate that is not trusted (${code}: ${text}): ?ca=… names the authority, ?servername=… the name in it`
  }
  const reason = reasons[code]
  const text = firstLine(error.message)
  if (reason === undefined) return `can't be reached: ${text}`
  return `can't be reached: ${reason} (${text === '' ? code : text})`
}

/** What a server has done on a connection, explained where it has never answered on it. */
export function explained(what: string, { proven, encrypted, protocol, schemes }: TroubledConnection): string {
  if (proven) return what
  if (what === 'closed the connection') {
    const tls = encrypted ? 'it may ' : `it may want TLS (${schemes[1]}), or `
    return `${what} before it answered anything: ${tls}not be the kind of server that its address says`
  }
  if (isNoReply(what)) return `speaks another protocol than ${protocol}: it ${what}`
  if (encrypted && what.startsWith('gave no answer')) {
    return `${what}: it may speak no TLS, then its address begins with ${schemes[0]}`
  }
  return what
}

function isNoReply(what: string): boolean {
  return what.startsWith('sent something that is not a reply') || what.startsWith('answered "')
}

/* OpenSSL says it in its own way: the server's first bytes are no TLS, or it ends the connection at ours. */
function speaksNoTls(error: Error): boolean {
  const { message } = error
  return /wrong.version.number|packet.length.too.long|before secure TLS connection/i.test(`${codeOf(error)} ${message}`)
}

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

function firstLine(text: string): string {
  return (text.split('\n')[0] as string).trim()
}
