import { percentDecode } from './host.js'
import type { TlsFiles } from './tls-files.js'

/** Something in an address is not as it should be; the message says what was expected. */
export class Expected extends Error {}

export function expected(what: string): never {
  throw new Expected(what)
}

export const tlsParameters: readonly string[] = ['ca', 'cert', 'key', 'servername']

/**
 * Reads `name=value&name=value`, percent-encoded.
 *
 * @throws Expected for a name that isn't allowed or stands there twice, and for a missing value
 */
export function readQuery(query: string, allowed: readonly string[]): Map<string, string> {
  const parameters = new Map<string, string>()
  for (const part of query.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = part.slice(0, Math.max(equals, 0))
    const value = percentDecode(part.slice(equals + 1))
    if (!allowed.includes(name)) {
      expected(allowed.length === 0 ? 'no parameters' : `only the parameters ${allowed.join(', ')}`)
    }
    if (!value) expected(`a percent-encoded value for ${name}`)
    if (parameters.has(name)) expected(`${name} once`)
    parameters.set(name, value as string)
  }
  return parameters
}

export function readTlsParameters(parameters: ReadonlyMap<string, string>): TlsFiles {
  const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => parameters.get(name))
  if ((cert === undefined) !== (key === undefined)) expected('cert and key, both or neither')
  return { ca, cert, key, servername: parameters.get('servername') }
}
