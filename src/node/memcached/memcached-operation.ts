/** What one operation asks of a memcached server, whatever the protocol. */
export interface MemcachedOperation {
  /** `verify`: renew, and read what differs from the state in `cas`. `stats`: the server's figures on the topic in `key`. */
  readonly kind: 'get' | 'verify' | 'touch' | 'set' | 'add' | 'delete' | 'ping' | 'stats'
  readonly key: string
  /** What is to be stored. */
  readonly value?: Uint8Array
  /** In memcached's form; `undefined`: it stays as it is. */
  readonly expiry?: number
  /** The state that has to be there; 0: whatever is there. */
  readonly cas: bigint
}

/** What a server answered, when it was no error. */
export interface Answer {
  readonly outcome: 'ok' | 'absent' | 'exists' | 'not-stored'
  /** The state that is there now, as far as it was told; else 0. */
  readonly cas: bigint
  /** A slice of a larger buffer; `undefined`: no value was asked for, or none had to be sent. */
  readonly value: Buffer | undefined
  /** What was asked for with `stats`. */
  readonly figures?: ReadonlyMap<string, string>
}

/** Roughly what an operation takes beside its key and value while it waits. */
const OVERHEAD = 100

/** Bytes that an operation holds while it waits for its answer. */
export function operationBytes({ key, value }: MemcachedOperation): number {
  return OVERHEAD + key.length + (value === undefined ? 0 : value.length)
}
