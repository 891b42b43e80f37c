/** What is to be sent for a request, and whether the connection ends with it. */
export interface Answered {
  readonly pieces: readonly Buffer[]
  readonly ends: boolean
}

/** One client's requests in one protocol. */
export interface Conversation {
  push(chunk: Buffer): void
  /**
   * Carries the next request out; `undefined` when more bytes are needed.
   *
   * @throws ProtocolError for bytes that are no request: nothing that follows could be understood
   */
  next(): Answered | undefined
  /** Bytes of memory that wait for the rest of a request, or to be looked at. */
  readonly heldBytes: number
  /** Whether a part of a request has arrived. */
  readonly isWithinRequest: boolean
}

/** How large the requests of a client may be. */
export interface RequestLimits {
  /** Bodies up to this many bytes are kept whole; the values of larger ones are read past. */
  maxKeptBody: number
  /** Larger bodies than this many bytes are a protocol error. */
  maxBody: number
}
