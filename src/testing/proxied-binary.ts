import { type BinaryFrame, encodeFrame, REPLY_MAGIC, REQUEST_MAGIC, Status } from '../memcached-wire/binary.js'
import { BinaryStream } from '../memcached-wire/binary-stream.js'
import { type Cutter, INVENTED_CAS, type ProxiedProtocol, type ProxiedReply, type ProxiedRequest } from './proxied.js'

const limits = { maxKeptBody: 0xffff_ffff, maxBody: 0xffff_ffff }

export const proxiedBinary: ProxiedProtocol = {
  requests: () => cutter(REQUEST_MAGIC, proxiedRequest),
  replies: () => cutter(REPLY_MAGIC, proxiedReply),
}

function cutter<T>(magic: number, proxied: (frame: BinaryFrame) => T): Cutter<T> {
  const stream = new BinaryStream(limits, magic)
  return (chunk) => {
    stream.push(chunk)
    const pieces: T[] = []
    for (let frame = stream.next(); frame !== undefined; frame = stream.next()) pieces.push(proxied(frame))
    return pieces
  }
}

function proxiedRequest(request: BinaryFrame): ProxiedRequest {
  const { opcode, opaque } = request
  return {
    bytes: encodeFrame(REQUEST_MAGIC, request),
    opcode,
    greeting: false,
    withKey: (key) => encodeFrame(REQUEST_MAGIC, { ...request, key: Buffer.from(key) }),
    reply: (status) => encodeFrame(REPLY_MAGIC, { opcode, opaque, status }),
    claimStored: () => encodeFrame(REPLY_MAGIC, { opcode, opaque, status: Status.ok, cas: INVENTED_CAS }),
  }
}

function proxiedReply(reply: BinaryFrame): ProxiedReply {
  return {
    bytes: encodeFrame(REPLY_MAGIC, reply),
    withOtherOpaque: () => encodeFrame(REPLY_MAGIC, { ...reply, opaque: (reply.opaque + 1) >>> 0 }),
  }
}
