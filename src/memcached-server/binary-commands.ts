import { NO_BYTES, Opcode, type BinaryFrame as Request, Status } from '../memcached-wire/binary.js'
import { errorReply, okReply, type Reply } from './binary-replies.js'
import type { Counters } from './counters.js'
import type { Item, ItemStore, Refusal, WriteMode } from './item-store.js'

/** What the commands of both protocols work on. */
export interface CommandContext {
  /** Operations on stored items so far. */
  operations: number
  /** Milliseconds since the epoch. */
  now(): number
  store: ItemStore
  counters: Counters
  version: string
  stats(): Record<string, number | string>
  /** What `stats settings` tells. */
  settings(): Record<string, number>
  resetStats(): void
}

export interface Command {
  /** Whether the request has the parts that the command wants, and no others. */
  accepts(request: Request): boolean
  run(context: CommandContext, request: Request): Reply | readonly Reply[]
  /** The status that a quiet command does not report; `undefined`: every answer is sent. */
  silentStatus?: number
  /** Works on stored items, and counts as an operation. */
  storage?: boolean
  /** The connection ends after it. */
  ends?: boolean
}

const NO_CREATION = 0xffffffff
/** Latin-1 maps every byte to one character: keys need not be UTF-8. */
const keyOf = (request: Request): string => request.key.toString('latin1')

const hasNothing = ({ key, extras, valueLength }: Request): boolean =>
  key.length === 0 && extras.length === 0 && valueLength === 0
const hasKeyOnly = ({ key, extras, valueLength }: Request): boolean =>
  key.length > 0 && extras.length === 0 && valueLength === 0
const hasKeyAndExtras =
  (extrasLength: number) =>
  ({ key, extras, valueLength }: Request): boolean =>
    key.length > 0 && extras.length === extrasLength && valueLength === 0
const hasItem = ({ key, extras }: Request): boolean => key.length > 0 && extras.length === 8
const hasKeyAndValue = ({ key, extras }: Request): boolean => key.length > 0 && extras.length === 0
const hasDelay = ({ key, extras, valueLength }: Request): boolean =>
  key.length === 0 && (extras.length === 0 || extras.length === 4) && valueLength === 0
const hasNoExtrasNorValue = ({ extras, valueLength }: Request): boolean => extras.length === 0 && valueLength === 0

const statusOf: Readonly<Record<Refusal, number>> = {
  absent: Status.notFound,
  exists: Status.exists,
  tooLarge: Status.tooLarge,
  noMemory: Status.outOfMemory,
  notNumeric: Status.notNumeric,
}

function flagsOf(item: Item): Buffer {
  const flags = Buffer.allocUnsafe(4)
  flags.writeUInt32BE(item.flags, 0)
  return flags
}

/** Which parts of a found item an answer carries, beside flags and CAS. */
interface Wanted {
  key: boolean
  value: boolean
}

function itemReply(item: Item | undefined, request: Request, wanted: Wanted): Reply {
  const key = wanted.key ? request.key : NO_BYTES
  if (item === undefined) return wanted.key ? { ...errorReply(Status.notFound), key, value: NO_BYTES } : notFound
  const value = wanted.value ? item.value : NO_BYTES
  return { status: Status.ok, cas: item.cas, extras: flagsOf(item), key, value }
}

const notFound = errorReply(Status.notFound)

const getCommand = (wanted: Wanted): Command => ({
  accepts: hasKeyOnly,
  storage: true,
  run({ store, counters }, request) {
    const item = store.get(keyOf(request))
    counters.cmd_get++
    if (item === undefined) counters.get_misses++
    else counters.get_hits++
    return itemReply(item, request, wanted)
  },
})

const touchCommand = (wanted: Wanted): Command => ({
  accepts: hasKeyAndExtras(4),
  storage: true,
  run({ store, counters }, request) {
    const item = store.touch(keyOf(request), request.extras.readUInt32BE(0))
    counters.cmd_touch++
    if (item === undefined) counters.touch_misses++
    else counters.touch_hits++
    return itemReply(item, request, wanted)
  },
})

const writeCommand = (mode: WriteMode): Command => ({
  accepts: hasItem,
  storage: true,
  run({ store, counters }, request) {
    const { cas, valueLength } = request
    const options = {
      flags: request.extras.readUInt32BE(0),
      expiration: request.extras.readUInt32BE(4),
      cas,
      valueLength,
    }
    const outcome = store.write(mode, keyOf(request), request.value, options)
    countWrite(counters, outcome, cas)
    return typeof outcome === 'string' ? errorReply(statusOf[outcome]) : okReply(outcome.cas)
  },
})

function countWrite(counters: Counters, outcome: Item | Refusal, cas: bigint): void {
  if (outcome === 'tooLarge' || outcome === 'noMemory') return
  counters.cmd_set++
  if (cas === 0n) return
  if (outcome === 'absent') counters.cas_misses++
  else if (outcome === 'exists') counters.cas_badval++
  else counters.cas_hits++
}

const extendCommand = (end: 'front' | 'back'): Command => ({
  accepts: hasKeyAndValue,
  storage: true,
  run({ store, counters }, request) {
    const key = keyOf(request)
    const refusal = store.refuses(key, request.valueLength)
    if (refusal !== undefined) return errorReply(statusOf[refusal])
    counters.cmd_set++
    const outcome = store.extend(key, request.value, end, request.cas)
    if (typeof outcome !== 'string') return okReply(outcome.cas)
    return errorReply(outcome === 'exists' ? Status.exists : Status.notStored)
  },
})

const deleteCommand: Command = {
  accepts: hasKeyOnly,
  storage: true,
  run({ store, counters }, request) {
    const outcome = store.remove(keyOf(request), request.cas)
    if (outcome === 'exists') return errorReply(Status.exists)
    if (outcome === 'absent') counters.delete_misses++
    else counters.delete_hits++
    return outcome === 'absent' ? notFound : okReply()
  },
}

const countCommand = (direction: 'incr' | 'decr'): Command => ({
  accepts: hasKeyAndExtras(20),
  storage: true,
  run({ store, counters }, request) {
    const amount = request.extras.readBigUInt64BE(0)
    const outcome = store.count(keyOf(request), direction === 'incr' ? amount : -amount, request.cas)
    if (outcome === 'absent') return createNumber(store, counters, request, direction)
    if (typeof outcome === 'string') return errorReply(statusOf[outcome])
    counters[`${direction}_hits`]++
    return okReply(outcome.item.cas, uint64(outcome.number))
  },
})

function createNumber(store: ItemStore, counters: Counters, request: Request, direction: 'incr' | 'decr'): Reply {
  const expiration = request.extras.readUInt32BE(16)
  if (expiration === NO_CREATION) {
    counters[`${direction}_misses`]++
    return notFound
  }
  const initial = request.extras.readBigUInt64BE(8)
  const outcome = store.write('add', keyOf(request), Buffer.from(String(initial)), { flags: 0, expiration, cas: 0n })
  return typeof outcome === 'string' ? errorReply(statusOf[outcome]) : okReply(outcome.cas, uint64(initial))
}

function uint64(number: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(number, 0)
  return bytes
}

const flushCommand: Command = {
  accepts: hasDelay,
  run({ store, counters }, { extras }) {
    counters.cmd_flush++
    store.flush(extras.length === 4 ? extras.readUInt32BE(0) : 0)
    return okReply()
  },
}

const statCommand: Command = {
  accepts: hasNoExtrasNorValue,
  run(context, request) {
    const topic = keyOf(request)
    if (topic === '') return statReplies(context.stats())
    if (topic === 'settings') return statReplies(context.settings())
    if (topic !== 'reset') return notFound
    context.resetStats()
    return okReply()
  },
}

/** One answer for every name, and an empty one that ends the list. */
function statReplies(stats: Record<string, number | string>): Reply[] {
  const lines = Object.entries(stats).map(([name, value]) => ({
    ...okReply(0n, Buffer.from(String(value))),
    key: Buffer.from(name),
  }))
  return [...lines, okReply()]
}

const noopCommand: Command = { accepts: hasNothing, run: () => okReply() }
const quitCommand: Command = { accepts: hasNothing, run: () => okReply(), ends: true }
const versionCommand: Command = { accepts: hasNothing, run: ({ version }) => okReply(0n, Buffer.from(version)) }

/** A quiet read says nothing about what is not there. */
const quietRead = (command: Command): Command => ({ ...command, silentStatus: Status.notFound })
/** Any other quiet command says nothing when it worked. */
const quiet = (command: Command): Command => ({ ...command, silentStatus: Status.ok })

const get = getCommand({ key: false, value: true })
const getK = getCommand({ key: true, value: true })
const gat = touchCommand({ key: false, value: true })
const gatK = touchCommand({ key: true, value: true })
const set = writeCommand('set')
const add = writeCommand('add')
const replace = writeCommand('replace')
const append = extendCommand('back')
const prepend = extendCommand('front')
const increment = countCommand('incr')
const decrement = countCommand('decr')

/** Every command of the server by its opcode. */
export const commands: ReadonlyMap<number, Command> = new Map<number, Command>([
  [Opcode.get, get],
  [Opcode.getQ, quietRead(get)],
  [Opcode.getK, getK],
  [Opcode.getKQ, quietRead(getK)],
  [Opcode.touch, touchCommand({ key: false, value: false })],
  [Opcode.gat, gat],
  [Opcode.gatQ, quietRead(gat)],
  [Opcode.gatK, gatK],
  [Opcode.gatKQ, quietRead(gatK)],
  [Opcode.set, set],
  [Opcode.setQ, quiet(set)],
  [Opcode.add, add],
  [Opcode.addQ, quiet(add)],
  [Opcode.replace, replace],
  [Opcode.replaceQ, quiet(replace)],
  [Opcode.append, append],
  [Opcode.appendQ, quiet(append)],
  [Opcode.prepend, prepend],
  [Opcode.prependQ, quiet(prepend)],
  [Opcode.delete, deleteCommand],
  [Opcode.deleteQ, quiet(deleteCommand)],
  [Opcode.increment, increment],
  [Opcode.incrementQ, quiet(increment)],
  [Opcode.decrement, decrement],
  [Opcode.decrementQ, quiet(decrement)],
  [Opcode.flush, flushCommand],
  [Opcode.flushQ, quiet(flushCommand)],
  [Opcode.stat, statCommand],
  [Opcode.noop, noopCommand],
  [Opcode.version, versionCommand],
  [Opcode.quit, quitCommand],
  [Opcode.quitQ, quiet(quitCommand)],
])
