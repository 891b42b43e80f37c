import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto'
import { HoldfastError } from '../errors.js'
import { type RandomSource, systemRandom } from '../random.js'

/*
 * The text of a session id:   <token> [ "-" <node> ] [ "." <route> ]
 *
 *   token   <random> <mac>   both base64url with "-" written as "_", so that the first "-" ends the token
 *   node    where the backup is, a hint; may hold "-", as the names of pods do: it goes from the first one to the dot
 *   route   which server has the live session, a hint for load balancers: Apache reads what follows the first
 *           dot, HAProxy and nginx idioms what follows the last, so there is exactly one
 *
 * Nothing outside this file looks into an id's text.
 */

const RANDOM_BYTES = 18
const MAC_LENGTH = 24
const MAX_ID_LENGTH = 320
const MAX_RANDOM_LENGTH = 160
const MAC_PURPOSE = 'holdfast session id 1:'
const RENEWAL_PURPOSE = 'holdfast renewed id 1:'

const HINT = /^[A-Za-z0-9_-]{1,64}$/
const TOKEN = /^[A-Za-z0-9_]+$/

/**
 * A session id, taken apart once. Whatever has not the form of one is nobody's: it finds no session, and takes no lock.
 * `node` and `route` are hints that anybody can write: believe configured values only.
 */
export class SessionId {
  readonly token: string
  readonly node: string | undefined
  readonly route: string | undefined
  private verifiedBy: SessionTokens | undefined

  /** The parts must be of the alphabets that `parseSessionId` takes. */
  constructor(token: string, node: string | undefined, route: string | undefined) {
    this.token = token
    this.node = node
    this.route = route
  }

  get text(): string {
    return formatSessionId(this.token, this.node, this.route)
  }

  /** Whether the token was issued under one of these secrets; found out once. */
  isIssuedBy(tokens: SessionTokens): boolean {
    if (this.verifiedBy === tokens) return true
    if (!tokens.verify(this.token)) return false
    this.verifiedBy = tokens
    return true
  }
}

/** Takes an id apart. `undefined`: not the text of an id. Says nothing of the token's MAC: that is `isIssuedBy`. */
export function parseSessionId(text: string): SessionId | undefined {
  if (text.length > MAX_ID_LENGTH) return undefined
  const dot = text.indexOf('.')
  const body = dot === -1 ? text : text.slice(0, dot)
  const dash = body.indexOf('-')
  const token = dash === -1 ? body : body.slice(0, dash)
  const node = dash === -1 ? undefined : body.slice(dash + 1)
  const route = dot === -1 ? undefined : text.slice(dot + 1)
  if (token.length <= MAC_LENGTH || !TOKEN.test(token)) return undefined
  if (node !== undefined && !HINT.test(node)) return undefined
  if (route !== undefined && !HINT.test(route)) return undefined
  return new SessionId(token, node, route)
}

/** Puts an id together. The parts must be of the alphabets that `parseSessionId` takes. */
export function formatSessionId(token: string, node: string | undefined, route: string | undefined): string {
  const body = node === undefined ? token : `${token}-${node}`
  return route === undefined ? body : `${body}.${route}`
}

/**
 * A digest of the token, 43 characters: stable over relocation and takeover, and a dump of the storage does not
 * hand out live ids.
 */
export function tokenDigest(token: string): string {
  return hash('sha256', token, 'base64url')
}

/**
 * Issues and checks tokens: at least 128 random bits and an HMAC-SHA-256 over them, cut to 143 bits.
 * Several secrets rotate: the first signs, all verify.
 */
export class SessionTokens {
  private readonly keys: readonly KeyObject[]
  private readonly random: RandomSource

  constructor(secrets: readonly string[], random: RandomSource = systemRandom) {
    this.random = random
    this.keys = secrets.map((secret) => createSecretKey(secret, 'utf8'))
  }

  /** A new token; with `text` (of an application's `genid`) around that instead of random bytes of our own. */
  issue(text?: string): string {
    const random = text === undefined ? urlSafe(this.random.bytes(RANDOM_BYTES)) : checkedText(text)
    return random + mac(this.firstKey, random)
  }

  /** Whether this token was issued under one of the secrets. Takes the same time wherever the MACs differ. */
  verify(token: string): boolean {
    return this.keyOf(token) !== undefined
  }

  /**
   * The token that a session goes on under when this one is renewed: the same on all servers, so that two who renew one session at once
   * meet, and signed with the secret that has signed this one, as long as that is known. Nobody can tell it who has not that secret.
   */
  successorOf(token: string): string {
    const key = this.keyOf(token) ?? this.firstKey
    const bytes = createHmac('sha256', key).update(RENEWAL_PURPOSE).update(token).digest()
    const random = urlSafe(bytes.subarray(0, RANDOM_BYTES))
    return random + mac(key, random)
  }

  private get firstKey(): KeyObject {
    const [key] = this.keys
    if (key === undefined) throw new HoldfastError('HOLDFAST_CONFIG', 'no secret to sign session ids with')
    return key
  }

  private keyOf(token: string): KeyObject | undefined {
    if (!TOKEN.test(token)) return undefined
    const random = token.slice(0, -MAC_LENGTH)
    const given = Buffer.from(token.slice(-MAC_LENGTH), 'latin1')
    if (given.length !== MAC_LENGTH) return undefined
    return this.keys.find((key) => timingSafeEqual(given, Buffer.from(mac(key, random), 'latin1')))
  }
}

function mac(key: KeyObject, random: string): string {
  return urlSafe(createHmac('sha256', key).update(MAC_PURPOSE).update(random).digest()).slice(0, MAC_LENGTH)
}

function urlSafe(bytes: Buffer): string {
  return bytes.toString('base64url').replaceAll('-', '_')
}

function checkedText(text: unknown): string {
  const clean = typeof text === 'string' ? text.replaceAll('-', '_') : ''
  if (clean.length <= MAX_RANDOM_LENGTH && TOKEN.test(clean)) return clean
  throw new HoldfastError(
    'HOLDFAST_CONFIG',
    `genid must return 1 to ${MAX_RANDOM_LENGTH} characters of A-Z a-z 0-9 _ and -`,
  )
}
