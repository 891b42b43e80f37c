import { type MetaRequest, readMetaKey } from '../memcached-wire/meta.js'
import type { CommandContext } from './binary-commands.js'
import type { Item, Refusal, WriteMode } from './item-store.js'

/** A reply: the words of its line, and the value behind it. */
export interface MetaAnswer {
  readonly words: readonly (string | number)[]
  readonly value?: Buffer
  /** Nobody wants to know. */
  readonly silent?: boolean
}

/** The value of an `ms`, which is read past when no item may be so large. */
export interface MetaBody {
  readonly value: Buffer
  readonly length: number
}

const MAX_KEY_BYTES = 250
/** A date in 1970: the shortest life. */
const LONG_AGO = 30 * 24 * 60 * 60 + 1

/** What the flags of a request say, by their letters. */
type Flags = ReadonlyMap<string, string>

/** The flags that each command takes here: what would be misunderstood is refused, as memcached does it. */
const known: Readonly<Record<string, string>> = { mg: 'bcCfkOqstTvPL', ms: 'bcCEFkMOqsTSPL', md: 'bCkOqPL' }

const malformed: MetaAnswer = { words: ['CLIENT_ERROR', 'bad command line format'] }
const badToken: MetaAnswer = { words: ['CLIENT_ERROR', 'bad token in command line format'] }

/** Carries a meta command out. `undefined`: there is no such command. */
export function runMetaCommand(
  context: CommandContext,
  request: MetaRequest,
  body: MetaBody | undefined,
): MetaAnswer | undefined {
  const letters = known[request.command]
  if (letters === undefined) return undefined
  const key = readMetaKey(request)
  if (key === undefined || key.length > MAX_KEY_BYTES) return malformed
  const flags = readFlags(request.flags, letters)
  if (typeof flags === 'string') return { words: ['CLIENT_ERROR', flags] }
  if ([...flags].some(isBadToken)) return badToken
  context.operations++
  if (request.command === 'mg') return get(context, key, flags, request.key)
  if (request.command === 'md') return remove(context, key, flags, request.key)
  return body === undefined ? malformed : set(context, key, flags, request.key, body)
}

function readFlags(words: readonly string[], letters: string): Flags | string {
  const flags = new Map<string, string>()
  for (const word of words) {
    const letter = word.charAt(0)
    if (!letters.includes(letter)) return 'invalid flag'
    if (flags.has(letter)) return 'duplicate flag'
    flags.set(letter, word.slice(1))
  }
  return flags
}

function isBadToken([letter, argument]: [string, string]): boolean {
  if (letter === 'T') return !/^-?\d{1,10}$/.test(argument) || Math.abs(Number(argument)) > 0x7fff_ffff
  if (letter === 'C' || letter === 'E') return !/^\d{1,20}$/.test(argument) || !isToken(BigInt(argument))
  if (letter === 'F') return !/^\d{1,10}$/.test(argument) || Number(argument) > 0xffff_ffff
  return letter === 'O' && argument.length > 32
}

function isToken(number: bigint): boolean {
  return number > 0n && number < 1n << 64n
}

function get({ store, counters, now }: CommandContext, key: string, flags: Flags, word: string): MetaAnswer {
  const expiry = flags.get('T')
  const item = expiry === undefined ? store.get(key) : store.touch(key, expiration(expiry))
  if (item === undefined) {
    counters.cmd_get++
    counters.get_misses++
    return { words: ['EN', ...echo(flags, word)], silent: flags.has('q') }
  }
  if (expiry === undefined) {
    counters.cmd_get++
    counters.get_hits++
  } else {
    counters.cmd_touch++
    counters.touch_hits++
  }
  const wanted = flags.has('v') && String(item.cas) !== flags.get('C')
  const words = [...(wanted ? ['VA', item.value.length] : ['HD']), ...facts(item, flags, now()), ...echo(flags, word)]
  return wanted ? { words, value: item.value } : { words }
}

function facts(item: Item, flags: Flags, now: number): string[] {
  const words: string[] = []
  if (flags.has('s')) words.push(`s${item.value.length}`)
  if (flags.has('t')) words.push(`t${item.deadline === Number.POSITIVE_INFINITY ? -1 : secondsUntil(item, now)}`)
  if (flags.has('c')) words.push(`c${item.cas}`)
  if (flags.has('f')) words.push(`f${item.flags}`)
  return words
}

function secondsUntil({ deadline }: Item, now: number): number {
  return Math.ceil((deadline - now) / 1000)
}

function echo(flags: Flags, word: string): string[] {
  const words: string[] = []
  if (flags.has('k')) words.push(`k${word}`)
  if (flags.has('O')) words.push(`O${flags.get('O')}`)
  if (flags.has('k') && flags.has('b')) words.push('b')
  return words
}

const modes: Readonly<Record<string, WriteMode | 'front' | 'back'>> = {
  S: 'set',
  E: 'add',
  R: 'replace',
  A: 'back',
  P: 'front',
}

function set(context: CommandContext, key: string, flags: Flags, word: string, body: MetaBody): MetaAnswer {
  const mode = modes[(flags.get('M') ?? 'S').toUpperCase()]
  if (mode === undefined) return { words: ['CLIENT_ERROR', 'invalid mode for ms'] }
  const expected = BigInt(flags.get('C') ?? 0)
  const outcome =
    mode === 'front' || mode === 'back'
      ? extend(context, mode, key, body, expected)
      : context.store.write(mode, key, body.value, {
          flags: Number(flags.get('F') ?? 0),
          expiration: expiration(flags.get('T') ?? '0'),
          cas: expected,
          chosenCas: flags.has('E') ? BigInt(flags.get('E') as string) : undefined,
          valueLength: body.length,
        })
  count(context, outcome, expected)
  if (outcome === 'tooLarge') return { words: ['SERVER_ERROR', 'object too large for cache'] }
  if (outcome === 'noMemory') return { words: ['SERVER_ERROR', 'out of memory storing object'] }
  const stored = typeof outcome === 'string' ? undefined : outcome
  const code = stored === undefined ? refusalCode(outcome as Refusal, expected) : 'HD'
  const size = stored !== undefined && flags.has('s') ? [`s${stored.value.length}`] : []
  const cas = flags.has('c') ? [`c${stored?.cas ?? 0}`] : []
  return { words: [code, ...size, ...cas, ...echo(flags, word)], silent: stored !== undefined && flags.has('q') }
}

function extend(
  { store }: CommandContext,
  end: 'front' | 'back',
  key: string,
  body: MetaBody,
  expected: bigint,
): Item | Refusal {
  return store.refuses(key, body.length) ?? store.extend(key, body.value, end, expected)
}

function count({ counters }: CommandContext, outcome: Item | Refusal, expected: bigint): void {
  if (outcome === 'tooLarge' || outcome === 'noMemory') return
  counters.cmd_set++
  if (expected === 0n) return
  if (outcome === 'absent') counters.cas_misses++
  else if (outcome === 'exists') counters.cas_badval++
  else counters.cas_hits++
}

function refusalCode(refusal: Refusal, expected: bigint): string {
  if (expected === 0n) return 'NS'
  return refusal === 'absent' ? 'NF' : 'EX'
}

function remove({ store, counters }: CommandContext, key: string, flags: Flags, word: string): MetaAnswer {
  const outcome = store.remove(key, BigInt(flags.get('C') ?? 0))
  if (outcome === 'exists') return { words: ['EX', ...echo(flags, word)] }
  if (outcome === 'absent') counters.delete_misses++
  else counters.delete_hits++
  if (outcome === 'absent') return { words: ['NF', ...echo(flags, word)], silent: flags.has('q') }
  return { words: ['HD', ...echo(flags, word)], silent: flags.has('q') }
}

function expiration(text: string): number {
  const seconds = Number(text)
  return seconds < 0 ? LONG_AGO : seconds
}
