import { type CompressionAlgorithm, codeOf, deflateInThread, deflateNow, inflate, LARGE_RECORD } from './compression.js'
import { type EncryptionKey, KeyRing } from './key-ring.js'
import { isWrapped, layOut, looksPlain, parseWrapped, unreadable, type WrappedRecord } from './wrapped-record.js'

export interface CompressionSettings {
  algorithm: CompressionAlgorithm | 'off'
  /** Bytes: smaller records stay as they are. */
  threshold: number
  /** In the algorithm's own scale. */
  level: number
  /** Bytes: what inflates to more is unreadable, and larger records are not compressed. Also where nothing is compressed. */
  maxInflatedBytes: number
}

export interface EncryptionSettings {
  /** The first encrypts, all decrypt; empty: no encryption. */
  keys: readonly EncryptionKey[]
  /** `false`: the keys are there for reading only, records are written unencrypted. */
  write: boolean
  /** Whether unencrypted records are refused. */
  required: boolean
}

export interface EnvelopeSettings {
  compression: CompressionSettings
  encryption: EncryptionSettings
}

/** What compression must save to be kept: an eighth. Less is not worth the inflating. */
const WORTHWHILE = 7 / 8

/**
 * How whole records are stored: as they are, compressed, encrypted, or compressed and encrypted. What is written is
 * a matter of the settings; each of the four is read, whatever is written.
 */
export class RecordEnvelope {
  private readonly compression: CompressionSettings
  private readonly ring: KeyRing | undefined
  /** Id of the key that encrypts; `undefined`: records are written unencrypted. */
  private readonly writesUnder: string | undefined
  private readonly required: boolean

  constructor({ compression, encryption }: EnvelopeSettings) {
    const { keys, write, required } = encryption
    this.compression = compression
    this.ring = keys.length === 0 ? undefined : new KeyRing(keys)
    this.writesUnder = write ? keys[0]?.id : undefined
    this.required = required
  }

  /**
   * A record in its stored form; at once, unless it is large and to be compressed. Takes what it needs of `record` before it
   * returns: that memory can be used again. Where nothing is to be done, the same memory comes back.
   */
  wrap(record: Buffer, key: string): Buffer | Promise<Buffer> {
    const { algorithm, threshold, level, maxInflatedBytes } = this.compression
    if (algorithm === 'off' || record.length < threshold || record.length > maxInflatedBytes)
      return this.finish(record, key)
    if (record.length > LARGE_RECORD) return this.wrapLarge(algorithm, Buffer.from(record), key)
    return this.finish(record, key, algorithm, deflateNow(algorithm, record, level))
  }

  /**
   * The record inside; at once, unless much is to be inflated. May be `stored` itself or a part of it.
   * @throws UnreadableRecordError with a reason, also as the promise's rejection.
   */
  unwrap(stored: Buffer, key: string): Buffer | Promise<Buffer> {
    if (!isWrapped(stored)) return this.acceptPlain(stored)
    const wrapped = parseWrapped(stored)
    const body = this.open(wrapped, key)
    if (wrapped.compression === 0) return checkLength(body, wrapped.plainLength)
    const { maxInflatedBytes } = this.compression
    if (wrapped.plainLength > maxInflatedBytes) {
      throw unreadable('compression', `it is to inflate to ${wrapped.plainLength} bytes, more than ${maxInflatedBytes}`)
    }
    return inflate(wrapped.compression, body, wrapped.plainLength)
  }

  /**
   * Whether a record that could be read would be written under another key today, or under none: written again, it no
   * longer needs the one that is to go.
   */
  isOutdated(stored: Buffer): boolean {
    if (!isWrapped(stored)) return this.writesUnder !== undefined
    return parseWrapped(stored).encryption?.keyId !== this.writesUnder
  }

  /** Whether a record that could not be read is under a key that others may have. What was forged is not. */
  isUnderUnknownKey(stored: Buffer): boolean {
    if (!isWrapped(stored)) return false
    try {
      const { encryption } = parseWrapped(stored)
      return encryption !== undefined && !this.ring?.knows(encryption.keyId)
    } catch {
      /* Encrypted in a way that a later release may know. */
      return true
    }
  }

  private async wrapLarge(algorithm: CompressionAlgorithm, record: Buffer, key: string): Promise<Buffer> {
    return this.finish(record, key, algorithm, await deflateInThread(algorithm, record, this.compression.level))
  }

  private finish(record: Buffer, key: string, algorithm?: CompressionAlgorithm, deflated?: Buffer): Buffer {
    const helps = deflated !== undefined && deflated.length <= record.length * WORTHWHILE
    const body = helps ? deflated : record
    const compression = helps && algorithm !== undefined ? codeOf(algorithm) : 0
    const plainLength = record.length
    if (this.ring !== undefined && this.writesUnder !== undefined)
      return this.ring.encrypt(body, { compression, plainLength }, key)
    if (compression === 0) return record
    const out = layOut({ compression, plainLength, encryption: undefined }, body.length)
    body.copy(out.body)
    return out.bytes
  }

  private open(wrapped: WrappedRecord, key: string): Buffer {
    if (wrapped.encryption === undefined) {
      if (this.required) throw notEncrypted()
      return wrapped.body
    }
    if (this.ring === undefined) throw unreadable('encryption', 'it is encrypted, and no keys are configured')
    return this.ring.decrypt(wrapped, key)
  }

  /* A record that is not wrapped, or no record at all. */
  private acceptPlain(stored: Buffer): Buffer {
    if (!this.required) return stored
    throw looksPlain(stored) ? notEncrypted() : unreadable('magic', 'it does not begin as a record does')
  }
}

function checkLength(body: Buffer, length: number): Buffer {
  if (body.length === length) return body
  throw unreadable('layout', `${body.length} bytes are in it, and not ${length}`)
}

function notEncrypted() {
  return unreadable('encryption', 'it is not encrypted, and encryption.required asks for that')
}
