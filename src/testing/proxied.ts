/** A request on its way through a faulty server. */
export interface ProxiedRequest {
  readonly bytes: Buffer
  /** The opcode of the binary protocol that does the same. */
  readonly opcode: number
  /** Whether it belongs to the greeting, by which a client finds out on a new connection what the server can do. */
  readonly greeting: boolean
  withKey(key: string): Buffer
  /** A reply with that status of the binary protocol, or what comes closest to it. */
  reply(status: number): Buffer
  /** A reply that says that the value was stored, with an invented CAS. */
  claimStored(): Buffer
}

/** A reply on its way through a faulty server. */
export interface ProxiedReply {
  readonly bytes: Buffer
  /** As if it were the reply to another request. */
  withOtherOpaque(): Buffer
}

/** Cuts what one side of a connection sends into pieces; keeps the incomplete end for the next chunk. */
export type Cutter<T> = (chunk: Buffer) => T[]

/** How requests and replies of one protocol are told apart and changed. */
export interface ProxiedProtocol {
  requests(): Cutter<ProxiedRequest>
  replies(): Cutter<ProxiedReply>
}

/** A number that no server has given, and that no client would choose. */
export const INVENTED_CAS = 0xdead_beefn
