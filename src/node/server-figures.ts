/** What a storage server tells about itself, as far as it does: `undefined` is not known. */
export interface ServerFigures {
  /** `memcached`, `Redis`, `Valkey`, …, with its version: `Redis 7.2.4`. */
  readonly server: string
  /** The protocol that is spoken with it, where there are several. */
  readonly protocol?: string | undefined
  readonly usedBytes?: number | undefined
  /** 0: no limit. */
  readonly maxBytes?: number | undefined
  /** Values that had to go before their time, for want of room, since the server's start. */
  readonly evictions?: number | undefined
  /** What becomes of what is written when there is no room: `noeviction` on Redis means that it is refused. */
  readonly evictionPolicy?: string | undefined
  /** The largest item in bytes. */
  readonly maxItemBytes?: number | undefined
  /** What it can't do that is of use here, each with what that costs. */
  readonly missing: readonly string[]
}

/** A figure in a text that was read; `undefined`: there is none. */
export function figure(text: string | undefined): number | undefined {
  const value = Number(text)
  return text === undefined || text === '' || !Number.isFinite(value) ? undefined : value
}
