import { AdminRequestError } from '../../errors.js'
import { globMatches, isGlob } from './glob.js'

const MAX_LENGTH = 512

/**
 * The name of an MBean, or a pattern of names: `domain:key=value,key=value`. The order of the properties carries no meaning.
 * In a pattern, `*` and `?` may stand in the domain and in values, and a property `*` leaves further properties open.
 * Syntax: `javax.management.ObjectName` of Java SE.
 */
export interface ObjectName {
  /** As it was written. */
  readonly text: string
  readonly domain: string
  readonly properties: ReadonlyMap<string, string>
  /** The properties as they were written, without the domain. */
  readonly propertyList: string
  /** The same for all spellings of a name: properties sorted by key. */
  readonly canonical: string
  readonly isPattern: boolean
  /** Whether a pattern matches names that have further properties. */
  readonly open: boolean
}

/** @throws {AdminRequestError} `bad-request` when the text is neither a name nor a pattern. */
export function parseObjectName(text: string): ObjectName {
  const colon = text.indexOf(':')
  if (text.length > MAX_LENGTH || colon === -1 || /[\r\n]/.test(text)) throw malformed(text)
  const domain = text.slice(0, colon)
  const propertyList = text.slice(colon + 1)
  const parts = splitProperties(propertyList)
  if (parts === undefined) throw malformed(text)
  const properties = new Map<string, string>()
  for (const part of parts.filter((part) => part !== '*')) addProperty(properties, part, text)
  const open = parts.includes('*')
  if ((properties.size === 0 && !open) || parts.length > properties.size + 1) throw malformed(text)
  return {
    text,
    domain,
    properties,
    propertyList,
    canonical: `${domain}:${canonicalProperties(properties, open)}`,
    isPattern: open || isGlob(domain) || [...properties.values()].some((value) => !isQuoted(value) && isGlob(value)),
    open,
  }
}

function addProperty(properties: Map<string, string>, part: string, whole: string): void {
  const equals = part.indexOf('=')
  const [key, value] = [part.slice(0, equals), part.slice(equals + 1)]
  const sound = equals > 0 && !/[:"*?]/.test(key) && (isQuoted(value) || !/[:="]/.test(value))
  if (!sound || properties.has(key)) throw malformed(whole)
  properties.set(key, value)
}

/** At commas outside of quotes; `undefined`: a quote does not end. */
function splitProperties(list: string): string[] | undefined {
  const parts: string[] = []
  let [start, quoted] = [0, false]
  for (let at = 0; at < list.length; at++) {
    if (quoted && list[at] === '\\') at++
    else if (list[at] === '"') quoted = !quoted
    else if (list[at] === ',' && !quoted) {
      parts.push(list.slice(start, at))
      start = at + 1
    }
  }
  if (quoted) return undefined
  parts.push(list.slice(start))
  return parts
}

function isQuoted(value: string): boolean {
  return /^"(?:[^"\\]|\\.)*"$/.test(value)
}

function canonicalProperties(properties: ReadonlyMap<string, string>, open: boolean): string {
  const sorted = [...properties].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `${key}=${value}`)
  return (open ? [...sorted, '*'] : sorted).join(',')
}

function malformed(text: string): AdminRequestError {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return new AdminRequestError(
    'bad-request',
    `${JSON.stringify(shown)} is no name of an MBean: expected domain:key=value,…, at most ${MAX_LENGTH} characters`,
  )
}

/** Whether a name is among those that a pattern describes; a name as pattern describes itself. */
export function nameMatches(pattern: ObjectName, name: ObjectName): boolean {
  if (!pattern.isPattern) return pattern.canonical === name.canonical
  if (!globMatches(pattern.domain, name.domain)) return false
  if (!pattern.open && pattern.properties.size !== name.properties.size) return false
  for (const [key, value] of pattern.properties) {
    const actual = name.properties.get(key)
    if (actual === undefined || !globMatches(value, actual)) return false
  }
  return true
}

/** A name as clients are given it: as registered, or with its properties sorted. */
export function printName(name: ObjectName, canonical: boolean): string {
  return canonical ? name.canonical : name.text
}
