import type { SessionState } from '../local/session-state.js'
import { fromByteString, toByteString } from '../record/byte-string.js'
import { type AttributeRules, type Attributes, decodedValue, writerOf } from '../session/attributes.js'
import { type CookieAttributes, SessionCookie } from '../session/session-cookie.js'

/** A session as libraries hand it to a store, and get it: attributes, and the description of its cookie. */
export interface StorePayload {
  // biome-ignore lint/suspicious/noExplicitAny: each library has its own idea of a cookie
  cookie?: any
  // biome-ignore lint/suspicious/noExplicitAny: the application's data
  [name: string]: any
}

/** Attributes in stored form by name; `undefined`: the value can't be serialised. */
export type Snapshot = Map<string, string | undefined>

/** The attribute that keeps a foreign payload's cookie as it came. No session object shows an attribute of that name. */
const COOKIE = 'cookie'

/** The attributes as they are now, changes that wait for a commit included. What can't be read or stored is left out. */
export function snapshotOf(attributes: Attributes, rules: AttributeRules): Snapshot {
  const snapshot: Snapshot = new Map()
  for (const name of attributes.names()) {
    const bytes = encodedAttribute(attributes, name, rules)
    if (bytes !== undefined) snapshot.set(name, bytes)
  }
  return snapshot
}

/** A plain object that shares nothing with the session. */
export function payloadOf(state: SessionState, snapshot: Snapshot, rules: AttributeRules, ours: CookieAttributes) {
  const payload: StorePayload = {}
  for (const [name, bytes] of snapshot) {
    if (bytes !== undefined && name !== '__proto__') payload[name] = copyOf(bytes, name, rules)
  }
  const { cookie } = payload
  payload.cookie = isObject(cookie) ? withCurrentEnd(cookie, state) : ownCookie(state, ours)
  return payload
}

/**
 * Makes a payload the session's content. What the caller has not changed since `base`, the state in which it got the
 * payload, is left to others; without `base` all counts.
 * @returns the payload's attributes in stored form.
 */
export function replaceAttributes(
  attributes: Attributes,
  payload: StorePayload,
  keepCookie: boolean,
  base: Snapshot | undefined,
  rules: AttributeRules,
): Snapshot {
  const wanted = snapshotOfPayload(payload, keepCookie, rules)
  const current = snapshotOf(attributes, rules)
  const before = base ?? current
  for (const [name, bytes] of wanted) {
    if (bytes === undefined) attributes.set(name, payload[name])
    else if (bytes !== before.get(name) && bytes !== current.get(name)) attributes.set(name, copyOf(bytes, name, rules))
  }
  for (const name of before.keys()) if (!wanted.has(name)) attributes.delete(name)
  return wanted
}

/** When a payload's cookie says that the session ends, in milliseconds since the epoch; `undefined`: it does not say. */
export function endOf(payload: StorePayload, now: number): number | undefined {
  const { cookie } = payload
  if (!isObject(cookie)) return undefined
  const expires = timeOf(cookie.expires)
  if (expires !== undefined) return expires
  const age = cookie.maxAge ?? cookie.originalMaxAge
  return typeof age === 'number' && Number.isFinite(age) ? now + age : undefined
}

/** The settings of a session's own cookie with those of a payload on top, in the form of the stored record. */
export function cookieSettings(state: SessionState, payload: StorePayload, ours: CookieAttributes): string {
  const cookie = new SessionCookie(ours, state.cookie)
  if (isObject(payload.cookie)) applyCookie(cookie, payload.cookie)
  return cookie.overrides()
}

/** Takes over what `given` says of the cookie and its age. */
export function applyCookie(cookie: SessionCookie, given: Record<string, unknown>): void {
  for (const name of ['path', 'domain', 'httpOnly', 'secure', 'sameSite', 'partitioned', 'priority'] as const) {
    if (given[name] !== undefined) Object.assign(cookie, { [name]: given[name] })
  }
  const { originalMaxAge, maxAge } = given
  if (originalMaxAge === null || typeof originalMaxAge === 'number') cookie.maxAge = originalMaxAge
  else if (typeof maxAge === 'number') cookie.maxAge = maxAge
  else if (given.expires !== undefined) cookie.maxAge = remaining(given.expires)
}

/** Milliseconds since the epoch, of a number, an ISO text or a Date. */
export function timeOf(value: unknown): number | undefined {
  const isTime = typeof value === 'number' || typeof value === 'string' || value instanceof Date
  const time = isTime ? new Date(value).getTime() : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function remaining(expires: unknown): number | null {
  const time = timeOf(expires)
  return time === undefined ? null : time - Date.now()
}

function encodedAttribute(attributes: Attributes, name: string, rules: AttributeRules): string | undefined {
  const attribute = attributes.get(name)
  if (attribute === undefined) return undefined
  try {
    return encoded(decodedValue(attribute, rules), name, rules)
  } catch {
    /* One value that can't be read or written does not stand in the way of the others. */
    return undefined
  }
}

function snapshotOfPayload(payload: StorePayload, keepCookie: boolean, rules: AttributeRules): Snapshot {
  const snapshot: Snapshot = new Map()
  for (const [name, value] of Object.entries(payload)) {
    if (name === '__proto__' || (name === COOKIE && !(keepCookie && isObject(value)))) continue
    try {
      const bytes = encoded(value, name, rules)
      if (bytes !== undefined) snapshot.set(name, bytes)
    } catch {
      snapshot.set(name, undefined)
    }
  }
  return snapshot
}

function encoded(value: unknown, name: string, rules: AttributeRules): string | undefined {
  const bytes = writerOf(rules, name).encode(value, name)
  return bytes === undefined ? undefined : toByteString(bytes)
}

function copyOf(bytes: string, name: string, rules: AttributeRules): unknown {
  return writerOf(rules, name).decode(fromByteString(bytes), name)
}

/* A touch moves a session's end without rewriting its cookie. */
function withCurrentEnd(cookie: Record<string, unknown>, state: SessionState): Record<string, unknown> {
  const end = state.absoluteDeadline
  if (end === 0) return cookie
  const current = { ...cookie }
  if (typeof cookie.expires === 'number') current.expires = end
  else if (typeof cookie.expires === 'string') current.expires = new Date(end).toISOString()
  else if (cookie.expires instanceof Date) current.expires = new Date(end)
  if (typeof cookie.maxAge === 'number') current.maxAge = end - Date.now()
  return current
}

function ownCookie(state: SessionState, ours: CookieAttributes): Record<string, unknown> {
  const { data } = new SessionCookie(ours, state.cookie)
  if (data.expires !== null && Number.isFinite(state.expiresAt)) data.expires = new Date(state.expiresAt)
  return data
}
