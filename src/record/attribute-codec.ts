/**
 * Turns one attribute's value into bytes and back. Stored records name the codec of each attribute by `id`, so
 * records of an older codec stay readable as long as a codec with that id is registered for reading.
 */
export interface AttributeCodec {
  /** Stands in stored records; 1 to 32 characters `[a-z0-9_.-]`. Never reuse an id for another format. */
  readonly id: string
  /**
   * `undefined`: the value has no stored form (as functions and `undefined` in JSON), the attribute is not stored.
   * Equal values should give equal bytes, as a change is noticed by comparing them. May throw: then that attribute
   * is not stored and the application is told which one it was.
   *
   * @param name of the attribute, for codecs that treat each in its own way.
   */
  encode(value: unknown, name: string): Uint8Array | undefined
  /** May throw on bytes that it can't read. Must not hand out objects with a polluted prototype, nor keep `bytes`. */
  decode(bytes: Buffer, name: string): unknown
  /**
   * Whether `encode` would write bytes of this form today; left out: always. `false` for those of an older schema: then values
   * are compared, not bytes, so that a request that only reads writes nothing.
   */
  isCurrent?(bytes: Buffer, name: string): boolean
}
