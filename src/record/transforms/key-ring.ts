import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import { layOut, SALT_LENGTH, TAG_LENGTH, unreadable, type WrappedRecord, type Wrapping } from './wrapped-record.js'

/*
 * AES-256-GCM (NIST SP 800-38D) is broken by one nonce that is used twice under one key: the two plaintexts and the means
 * to forge records are given away. Many servers share the configured keys and none asks another, so the nonces can't
 * be shared out; random ones of 96 bits would be too likely to meet after some billions of records. So no record is encrypted
 * under a configured key itself: each key ring derives a subkey of its own from the key and a random salt of 128 bits (HKDF,
 * RFC 5869) and numbers the records that it encrypts under that. Within a subkey the number makes the nonce, and it only
 * grows; before the numbers run out, which is also the most that the standard allows a key, a new salt is drawn. Two rings, in
 * one process or in two, would have to draw the same 128 bits. The salt is drawn at the first record, not when the module is loaded: a
 * start-up snapshot of a process holds none.
 */

const ALGORITHM = 'aes-256-gcm'
export const KEY_LENGTH = 32
const RECORDS_PER_SUBKEY = 2 ** 32
/** Subkeys of other processes that are remembered: each process that writes has one. */
const MAX_REMEMBERED = 1000
const PURPOSE = 'holdfast record 1'

/** A configured key. As a `KeyObject` it does not show when it is printed. */
export interface EncryptionKey {
  /** 1 to 32 of `A-Z a-z 0-9 _ . -`. */
  id: string
  /** 32 bytes. */
  key: KeyObject
}

interface Subkey {
  salt: Buffer
  key: KeyObject
  used: number
}

/** Encrypts under the first of its keys, decrypts under all. */
export class KeyRing {
  private readonly first: EncryptionKey
  private readonly keys: ReadonlyMap<string, KeyObject>
  private readonly recordsPerSubkey: number
  private own: Subkey | undefined
  /** Subkeys that have decrypted something, by key id and salt; in the order of last use. */
  private readonly remembered = new Map<string, KeyObject>()

  knows(keyId: string): boolean {
    return this.keys.has(keyId)
  }

  /** @param keys at least one. @param recordsPerSubkey at most 2^32, the default. */
  constructor(keys: readonly EncryptionKey[], recordsPerSubkey = RECORDS_PER_SUBKEY) {
    this.first = keys[0] as EncryptionKey
    this.keys = new Map(keys.map(({ id, key }) => [id, key]))
    this.recordsPerSubkey = recordsPerSubkey
  }

  /** The wrapped record of a body; only under `storageKey` can it be opened. */
  encrypt(body: Buffer, wrapping: Pick<Wrapping, 'compression' | 'plainLength'>, storageKey: string): Buffer {
    const { salt, key, used: number } = this.nextOf()
    const out = layOut({ ...wrapping, encryption: { keyId: this.first.id, salt, number } }, body.length)
    const cipher = createCipheriv(ALGORITHM, key, nonce(number), { authTagLength: TAG_LENGTH })
    cipher.setAAD(associated(out.head, storageKey))
    cipher.update(body).copy(out.body)
    cipher.final()
    cipher.getAuthTag().copy(out.tag)
    return out.bytes
  }

  /**
   * The body, once it is proven that a holder of the key wrote exactly this under `storageKey`.
   * @throws UnreadableRecordError `encryption`
   */
  decrypt({ encryption, head, tag, body }: WrappedRecord, storageKey: string): Buffer {
    if (encryption === undefined) throw unreadable('encryption', 'it is not encrypted')
    const { keyId, salt, number } = encryption
    const key = this.keys.get(keyId)
    if (key === undefined)
      throw unreadable('encryption', `it needs the key ${JSON.stringify(keyId)}, which is not configured`)
    const name = `${keyId} ${salt.toString('latin1')}`
    const subkey = this.remembered.get(name) ?? derive(key, keyId, salt)
    const decipher = createDecipheriv(ALGORITHM, subkey, nonce(number), { authTagLength: TAG_LENGTH })
    decipher.setAAD(associated(head, storageKey))
    decipher.setAuthTag(tag)
    const plain = decipher.update(body)
    try {
      decipher.final()
    } catch (error) {
      throw unreadable(
        'encryption',
        `the key ${JSON.stringify(keyId)} does not open it: another key, key of the storage, or content`,
        error,
      )
    }
    this.remember(name, subkey)
    return plain
  }

  private nextOf(): Subkey {
    if (this.own === undefined || this.own.used === this.recordsPerSubkey) {
      const salt = randomBytes(SALT_LENGTH)
      this.own = { salt, key: derive(this.first.key, this.first.id, salt), used: 0 }
    }
    const { salt, key, used } = this.own
    this.own.used++
    return { salt, key, used }
  }

  /* Only what has proven itself is remembered: made-up salts can't push the others out. */
  private remember(name: string, subkey: KeyObject): void {
    this.remembered.delete(name)
    this.remembered.set(name, subkey)
    if (this.remembered.size <= MAX_REMEMBERED) return
    const oldest = this.remembered.keys().next()
    if (!oldest.done) this.remembered.delete(oldest.value)
  }
}

function derive(key: KeyObject, keyId: string, salt: Buffer): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', key, salt, `${PURPOSE} ${keyId}`, KEY_LENGTH)))
}

function nonce(number: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32BE(number, 8)
  return bytes
}

/* The head says where it ends, so that no other pair of head and storage key makes the same bytes. */
function associated(head: Buffer, storageKey: string): Buffer {
  const bytes = Buffer.allocUnsafe(head.length + storageKey.length)
  head.copy(bytes)
  bytes.write(storageKey, head.length, 'latin1')
  return bytes
}
