/** A whole request or reply of memcached's binary protocol. */
export type Frame = Buffer

const headerBytes = 24

/** Cuts a stream into frames; keeps the incomplete end for the next piece. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  read(chunk: Buffer): Frame[] {
    const frames: Frame[] = []
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (rest.length >= headerBytes) {
      const length = headerBytes + rest.readUInt32BE(8)
      if (rest.length < length) break
      frames.push(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
    this.#rest = rest
    return frames
  }
}

/** A reply without key and value to the request. */
export function emptyReply(request: Frame, status: number, cas = 0n): Frame {
  const reply = Buffer.alloc(headerBytes)
  reply.writeUInt8(0x81, 0)
  reply.writeUInt8(request.readUInt8(1), 1)
  reply.writeUInt16BE(status, 6)
  reply.writeUInt32BE(request.readUInt32BE(12), 12)
  reply.writeBigUInt64BE(cas, 16)
  return reply
}

export function withOtherOpaque(frame: Frame): Frame {
  const changed = Buffer.from(frame)
  changed.writeUInt32BE((frame.readUInt32BE(12) + 1) >>> 0, 12)
  return changed
}

export function withOtherKey(request: Frame, key: string): Frame {
  const extrasBytes = request.readUInt8(4)
  const keyBytes = request.readUInt16BE(2)
  const head = Buffer.from(request.subarray(0, headerBytes + extrasBytes))
  const changed = Buffer.concat([head, Buffer.from(key), request.subarray(headerBytes + extrasBytes + keyBytes)])
  changed.writeUInt16BE(Buffer.byteLength(key), 2)
  changed.writeUInt32BE(changed.length - headerBytes, 8)
  return changed
}

export function frameOpcode(frame: Frame): number {
  return frame.readUInt8(1)
}
