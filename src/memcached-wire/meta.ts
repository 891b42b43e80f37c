import { ProtocolError } from '../errors.js'
import { LineStream } from './lines.js'

/**
 * memcached's meta commands: requests and replies as lines of text, and how the two are written and read.
 *
 * Source: memcached's `doc/protocol.txt`. Where it leaves something open, memcached 1.6 was asked.
 *
 * ```
 * request   mg <key> <flag>*          read, renew
 *           ms <key> <size> <flag>*   write; a data block of that size follows
 *           md <key> <flag>*          remove
 *           mn                        nothing
 *           stats <topic>             figures of the server
 * reply     HD <flag>*                done
 *           VA <size> <flag>*         done; a data block follows
 *           EN, NF                    not there (of mg, of the others)
 *           NS, EX                    not stored; there is something else
 *           MN                        of mn
 *           STAT <name> <value>, END  of stats: a figure, and the end of them
 *           ERROR, CLIENT_ERROR <text>, SERVER_ERROR <text>
 * ```
 *
 * A flag is one character and what belongs to it: `v` value, `c` CAS, `C<cas>` expected CAS, `E<cas>` new CAS,
 * `T<seconds>` expiry, `M<mode>`, `O<opaque>`, `b` for a key in base64. Lines are kept with one character a byte.
 */
export interface MetaReply {
  /** The first word: two letters, or the name of an error. */
  readonly code: string
  /** What a `c` brought; else 0. */
  readonly cas: bigint
  /** What an `O` brought; -1: nothing, or no number. */
  readonly opaque: number
  /** Of VA. A view of the socket's memory: copy what outlives the handling of it. */
  readonly value: Buffer | undefined
  /** What stands behind the name of an error, or behind STAT. */
  readonly text: string
}

/** A request without its data block. */
export interface MetaRequest {
  readonly command: string
  /** As it stands in the line. */
  readonly key: string
  /** Of the data block; -1: none follows. */
  readonly size: number
  /** Each with its argument. */
  readonly flags: readonly string[]
}

const LINE_END = '\r\n'

/** memcached reads a date of the meta commands as a signed number of 32 bits: the last one is in 2038. */
export const LARGEST_META_EXPIRY = 0x7fff_ffff

const notInAKey = /[\0-\x20\x7f]/
const beyondAscii = /[^\0-\x7f]/

/** A key as it stands in a line: what would end it makes it go in base64, marked with `b`. */
export function metaKey(key: string): string {
  if (notInAKey.test(key)) return `${Buffer.from(key).toString('base64')} b`
  return beyondAscii.test(key) ? Buffer.from(key).toString('latin1') : key
}

/** What a get or touch asks for. */
export interface MetaGet {
  value: boolean
  cas: boolean
  /** With `value`: only if the state is another one than this. */
  unless?: bigint
  expiry?: number | undefined
}

export function encodeMetaGet(key: string, opaque: number, { value, cas, unless, expiry }: MetaGet): string {
  let line = `mg ${metaKey(key)}`
  if (value) line += ' v'
  if (cas) line += ' c'
  if (unless !== undefined) line += ` C${unless}`
  if (expiry !== undefined) line += ` T${Math.min(expiry, LARGEST_META_EXPIRY)}`
  return `${line} O${opaque}${LINE_END}`
}

export interface MetaSet {
  /** Only if there is nothing. */
  add: boolean
  /** 0: whatever is there. */
  expected: bigint
  /** The number that the new state is to have; `undefined`: the server chooses. */
  chosen: bigint | undefined
  expiry: number
}

/** The line; the data block and a line end follow. */
export function encodeMetaSet(key: string, opaque: number, size: number, set: MetaSet): string {
  let line = `ms ${metaKeyWith(key, size)} c`
  if (set.add) line += ' ME'
  else if (set.expected !== 0n) line += ` C${set.expected}`
  if (set.chosen !== undefined) line += ` E${set.chosen}`
  return `${line} T${Math.min(set.expiry, LARGEST_META_EXPIRY)} O${opaque}${LINE_END}`
}

export function encodeMetaDelete(key: string, opaque: number, expected: bigint): string {
  const condition = expected === 0n ? '' : ` C${expected}`
  return `md ${metaKey(key)}${condition} O${opaque}${LINE_END}`
}

export const META_NOOP = `mn${LINE_END}`

/** The size stands between the key and its `b`. */
function metaKeyWith(key: string, size: number): string {
  const text = metaKey(key)
  const blank = text.indexOf(' ')
  return blank < 0 ? `${text} ${size}` : `${text.slice(0, blank)} ${size}${text.slice(blank)}`
}

/** A line of a request or reply, from its words. */
export function encodeMetaLine(...words: readonly (string | number)[]): string {
  return `${words.join(' ')}${LINE_END}`
}

/** @returns `undefined` when the line is no meta command with what it needs. */
export function readMetaRequest(line: string): MetaRequest | undefined {
  const [command = '', key = '', ...flags] = line.split(' ').filter((word) => word !== '')
  if (command === 'mn') return { command, key, size: -1, flags }
  if (!/^m[a-z]$/.test(command) || key === '') return undefined
  if (command !== 'ms') return { command, key, size: -1, flags }
  const size = /^\d{1,10}$/.test(flags[0] ?? '') ? Number(flags.shift()) : undefined
  return size === undefined ? undefined : { command, key, size, flags }
}

/** The bytes of a request's key, one character each; `undefined` when it isn't well encoded. */
export function readMetaKey({ key, flags }: MetaRequest): string | undefined {
  if (!flags.includes('b')) return key
  return /^[A-Za-z0-9+/]+={0,2}$/.test(key) && key.length % 4 === 0
    ? Buffer.from(key, 'base64').toString('latin1')
    : undefined
}

/** Cuts what a server sends into replies. */
export class MetaReplies {
  readonly #maxValueBytes: number
  readonly #stream = new LineStream()
  /** A reply whose data block is not whole yet. */
  #begun: MetaReply | undefined
  #size = 0

  constructor(maxValueBytes: number) {
    this.#maxValueBytes = maxValueBytes
  }

  push(chunk: Buffer): void {
    this.#stream.push(chunk)
  }

  /**
   * The next whole reply, or `undefined` when more bytes are needed.
   *
   * @throws ProtocolError for bytes that are no reply; the stream is then out of step and this object of no more use
   */
  next(): MetaReply | undefined {
    const begun = this.#begun ?? this.#beginReply()
    if (begun === undefined || begun.code !== 'VA') return begun
    const value = this.#stream.block(this.#size)
    if (value === undefined) {
      this.#begun = begun
      return undefined
    }
    this.#begun = undefined
    return { ...begun, value }
  }

  #beginReply(): MetaReply | undefined {
    const line = this.#stream.line()
    if (line === undefined) {
      if (!beginsReply.test(this.#stream.beginning)) throw noReply(this.#stream.beginning)
      return undefined
    }
    if (line.length > 2 && line.charCodeAt(2) !== SPACE) return readErrorLine(line)
    const code = line.slice(0, 2)
    let from = 3
    if (code === 'VA') {
      from = endOfWord(line, 3) + 1
      this.#size = readSize(line.slice(3, from - 1), this.#maxValueBytes)
    } else if (!codes.has(code)) throw noReply(line)
    return readFlags(code, line, from)
  }
}

const SPACE = 32
/** Of what can't become a reply the end isn't waited for. */
const beginsReply = /^(?:[A-Z]{0,2}|[A-Z]{2}[ \r]|[A-Z]{2}[A-Z_])$/
const codes: ReadonlySet<string> = new Set(['HD', 'EN', 'NF', 'NS', 'EX', 'MN'])
const errorPattern = /^(ERROR|CLIENT_ERROR|SERVER_ERROR|VERSION|STORED|NOT_STORED|OK|RESET|STAT|END)(?: (.*))?$/

function readErrorLine(line: string): MetaReply {
  const [, code, text = ''] = errorPattern.exec(line) ?? []
  if (code === undefined) throw noReply(line)
  return { code, cas: 0n, opaque: -1, value: undefined, text }
}

function readFlags(code: string, line: string, from: number): MetaReply {
  let cas = 0n
  let opaque = -1
  for (let at = from; at < line.length; ) {
    const end = endOfWord(line, at)
    const flag = line.charCodeAt(at)
    if (flag === 99) cas = readCas(line.slice(at + 1, end))
    else if (flag === 79) opaque = readOpaque(line, at + 1, end)
    at = end + 1
  }
  return { code, cas, opaque, value: undefined, text: '' }
}

function endOfWord(line: string, from: number): number {
  const end = line.indexOf(' ', from)
  return end < 0 ? line.length : end
}

function readCas(digits: string): bigint {
  if (!/^\d{1,20}$/.test(digits)) throw new ProtocolError('sent a CAS that is no number')
  return BigInt(digits)
}

function readOpaque(line: string, from: number, end: number): number {
  let number = end > from && end - from <= 10 ? 0 : -1
  for (let at = from; at < end && number >= 0; at += 1) {
    const digit = line.charCodeAt(at) - 48
    number = digit >= 0 && digit <= 9 ? number * 10 + digit : -1
  }
  return number
}

function readSize(digits: string, maxBytes: number): number {
  const size = /^\d{1,10}$/.test(digits) ? Number(digits) : Number.NaN
  if (size <= maxBytes) return size
  throw new ProtocolError(`sent a value of ${printable(digits)} bytes`)
}

function noReply(line: string): ProtocolError {
  return new ProtocolError(`sent something that is not a reply: ${printable(line)}`)
}

/** The beginning of a text from a server, for messages. */
export function printable(text: string): string {
  return text.slice(0, 80).replace(/[^ -~]/g, '?')
}
