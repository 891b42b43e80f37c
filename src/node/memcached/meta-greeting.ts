import { NodeRefusedError, ProtocolError } from '../../errors.js'
import { encodeMetaLine, META_NOOP, type MetaReply, printable } from '../../memcached-wire/meta.js'

/** What a server's meta commands can do beyond the first ones. */
export interface MetaFeatures {
  /** Takes a CAS number of our own for what is written. */
  readonly ownCas: boolean
  /** Leaves a value away that is still the one that was seen. */
  readonly conditionalGet: boolean
}

/** The releases of memcached 1.6 with what we need. */
const releases = {
  /** Replies without superfluous blanks, and with the opaque of a request that found nothing. */
  usable: 18,
  ownCas: 27,
  conditionalGet: 40,
}

/**
 * Filled up to the length of a binary header: a server that knows only the binary protocol may wait for the whole of one
 * before it ends the connection.
 */
const ASK_VERSION = encodeMetaLine('version'.padEnd(24))

/** Sends a request and waits for its one reply. */
export type Ask = (line: string, block?: Buffer) => Promise<MetaReply>

export interface Login {
  username: string
  password: string
}

/**
 * Finds out on a fresh connection what the server can do, and logs in where it asks for that.
 *
 * memcached's version tells all, so that an operation waits for one round trip; others are asked whether they know `mn`.
 * The question for the version comes first and alone: a server that wants a login ends the connection at a request as
 * short as `mn`. The login is a write of a value; it is sent only to a server that has asked for one, as any other would
 * store it, for everybody to read.
 *
 * @returns `undefined` when the server has no meta commands, or not well enough
 * @throws ProtocolError when the server answers something else than it was asked
 * @throws NodeRefusedError when the server wants a login and there is none, or not the right one
 */
export async function greetMeta(ask: Ask, label: string, login: Login | undefined): Promise<MetaFeatures | undefined> {
  let version = await ask(ASK_VERSION)
  if (wantsLogin(version)) {
    await logIn(ask, label, login)
    version = await ask(ASK_VERSION)
  }
  if (!knows(version, 'VERSION')) return undefined
  const release = releaseOf(version.text) ?? (knows(await ask(META_NOOP), 'MN') ? releases.usable : -1)
  if (release < releases.usable) return undefined
  return { ownCas: release >= releases.ownCas, conditionalGet: release >= releases.conditionalGet }
}

async function logIn(ask: Ask, label: string, login: Login | undefined): Promise<void> {
  if (login === undefined) throw refusedLogin(label, 'its address has no user and password')
  const block = Buffer.from(`${login.username} ${login.password}`)
  const answer = await ask(encodeMetaLine('set', 'login', 0, 0, block.length), block)
  if (answer.code !== 'STORED') throw refusedLogin(label, 'the user or the password in its address is wrong')
}

function refusedLogin(label: string, why: string): NodeRefusedError {
  return new NodeRefusedError(`storage node ${label} refused the login: ${why}`, { refuses: 'everything' })
}

/** Whether the server knows the command to which it gave that answer. */
function knows({ code, text }: MetaReply, wanted: string): boolean {
  if (code === wanted) return true
  if (code === 'ERROR' || code === 'CLIENT_ERROR') return false
  throw new ProtocolError(`answered "${printable(`${code} ${text}`)}" in the place of ${wanted}`)
}

function wantsLogin({ code, text }: MetaReply): boolean {
  return code === 'CLIENT_ERROR' && text.includes('unauthenticated')
}

/**
 * The number behind 1.6; before that: -1. `undefined`: it isn't memcached's, and what it means is not known.
 */
function releaseOf(version: string): number | undefined {
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)(?:[-_]\S*)?$/.exec(version) ?? []
  if (patch === undefined) return undefined
  if (Number(major) === 1 && Number(minor) === 6) return Number(patch)
  return Number(major) > 1 || Number(minor) > 6 ? Number.POSITIVE_INFINITY : -1
}
