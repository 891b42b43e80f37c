import * as zlib from 'node:zlib'
import { unreadable } from './wrapped-record.js'

export type CompressionAlgorithm = 'gzip' | 'deflate' | 'brotli' | 'zstd'

/** Records that are larger are compressed in a thread: below it, the way there and back costs more than the work (gzip, measured). */
export const LARGE_RECORD = 16 * 1024
/** The same for inflating, which is several times faster. */
export const LARGE_INFLATED = 128 * 1024

type SyncWork = (bytes: Buffer, options: object) => Buffer
type ThreadWork = (bytes: Buffer, options: object, done: (error: Error | null, result: Buffer) => void) => void

interface Algorithm {
  /** In wrapped records. */
  code: number
  minLevel: number
  maxLevel: number
  /** Without a configured one: speed before size. */
  defaultLevel: number
  options(level: number, length: number): object
  deflateNow: SyncWork
  deflateInThread: ThreadWork
  inflateNow: SyncWork
  inflateInThread: ThreadWork
}

const { constants } = zlib

const gzip: Algorithm = {
  code: 1,
  minLevel: 1,
  maxLevel: 9,
  defaultLevel: 6,
  options: (level) => ({ level }),
  deflateNow: zlib.gzipSync,
  deflateInThread: zlib.gzip,
  inflateNow: zlib.gunzipSync,
  inflateInThread: zlib.gunzip,
}

const deflate: Algorithm = {
  ...gzip,
  code: 2,
  deflateNow: zlib.deflateSync,
  deflateInThread: zlib.deflate,
  inflateNow: zlib.inflateSync,
  inflateInThread: zlib.inflate,
}

const brotli: Algorithm = {
  code: 3,
  minLevel: 0,
  maxLevel: 11,
  defaultLevel: 4,
  options: (level, length) => ({
    params: { [constants.BROTLI_PARAM_QUALITY]: level, [constants.BROTLI_PARAM_SIZE_HINT]: length },
  }),
  deflateNow: zlib.brotliCompressSync,
  deflateInThread: zlib.brotliCompress,
  inflateNow: zlib.brotliDecompressSync,
  inflateInThread: zlib.brotliDecompress,
}

/** What Node has since 22.15 and 23.8; its types here are older. */
interface ZstdFunctions {
  zstdCompressSync: SyncWork
  zstdCompress: ThreadWork
  zstdDecompressSync: SyncWork
  zstdDecompress: ThreadWork
  constants: { ZSTD_c_compressionLevel: number }
}

function findZstd(): Algorithm | undefined {
  const found = zlib as unknown as Partial<ZstdFunctions>
  if (found.zstdCompressSync === undefined) return undefined
  const functions = found as ZstdFunctions
  return {
    code: 4,
    minLevel: 1,
    maxLevel: 22,
    defaultLevel: 3,
    options: (level) => ({ params: { [functions.constants.ZSTD_c_compressionLevel]: level } }),
    deflateNow: functions.zstdCompressSync,
    deflateInThread: functions.zstdCompress,
    inflateNow: functions.zstdDecompressSync,
    inflateInThread: functions.zstdDecompress,
  }
}

const algorithms: Record<CompressionAlgorithm, Algorithm | undefined> = { gzip, deflate, brotli, zstd: findZstd() }
const NAMES = Object.keys(algorithms) as CompressionAlgorithm[]

/** Every algorithm that wrapped records know. */
export const compressionAlgorithms: readonly CompressionAlgorithm[] = NAMES

/** Whether this Node has it. */
export function isAvailable(name: CompressionAlgorithm): boolean {
  return algorithms[name] !== undefined
}

/** The levels that an algorithm of this Node knows, and the one that is used when none is given. */
export function levelsOf(name: CompressionAlgorithm): { min: number; max: number; standard: number } {
  const { minLevel, maxLevel, defaultLevel } = find(name)
  return { min: minLevel, max: maxLevel, standard: defaultLevel }
}

/** The algorithm's number in wrapped records. */
export function codeOf(name: CompressionAlgorithm): number {
  return find(name).code
}

export function deflateNow(name: CompressionAlgorithm, bytes: Buffer, level: number): Buffer {
  const algorithm = find(name)
  return algorithm.deflateNow(bytes, algorithm.options(level, bytes.length))
}

/** Off the event loop. `bytes` must stay as they are meanwhile. */
export function deflateInThread(name: CompressionAlgorithm, bytes: Buffer, level: number): Promise<Buffer> {
  const algorithm = find(name)
  return inThread(algorithm.deflateInThread, bytes, algorithm.options(level, bytes.length))
}

/**
 * Inflates to exactly `length` bytes, which the caller has found acceptable; off the event loop when that is much. Never
 * holds more than that: what inflates to more is given up on the way.
 * @throws UnreadableRecordError `compression`, also as the promise's rejection.
 */
export function inflate(code: number, bytes: Buffer, length: number): Buffer | Promise<Buffer> {
  const algorithm = NAMES.map((name) => algorithms[name]).find((each) => each?.code === code)
  if (algorithm === undefined) throw unreadable('compression', `compression ${code} is not known to this server`)
  if (length === 0) throw unreadable('compression', 'it says that nothing is in it')
  const options = { maxOutputLength: length }
  if (length > LARGE_INFLATED) {
    return inThread(algorithm.inflateInThread, bytes, options).then((result) => checkLength(result, length), refuse)
  }
  return checkLength(attempt(algorithm.inflateNow, bytes, options), length)
}

function attempt(work: SyncWork, bytes: Buffer, options: object): Buffer {
  try {
    return work(bytes, options)
  } catch (error) {
    return refuse(error)
  }
}

function refuse(error: unknown): never {
  throw unreadable('compression', `it can't be inflated: ${(error as Error).message}`, error)
}

function checkLength(result: Buffer, length: number): Buffer {
  if (result.length === length) return result
  throw unreadable('compression', `${result.length} bytes were in it, and not ${length}`)
}

function inThread(work: ThreadWork, bytes: Buffer, options: object): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    work(bytes, options, (error, result) => (error === null ? resolve(result) : reject(error)))
  })
}

function find(name: CompressionAlgorithm): Algorithm {
  const algorithm = algorithms[name]
  if (algorithm === undefined) throw new RangeError(`this Node has no ${name}`)
  return algorithm
}
