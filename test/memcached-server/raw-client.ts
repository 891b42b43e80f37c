import { connect, type Socket } from 'node:net'
import { HEADER_BYTES, Opcode } from '../../src/memcached-wire/binary.js'

export interface RequestParts {
  key?: string | Buffer
  extras?: Buffer
  value?: string | Buffer
  opaque?: number
  cas?: bigint
  magic?: number
  /** A body length other than the true one. */
  bodyLength?: number
}

export interface Answer {
  opcode: number
  status: number
  opaque: number
  cas: bigint
  extras: Buffer
  key: string
  value: Buffer
}

export function frame(opcode: number, parts: RequestParts = {}): Buffer {
  const key = Buffer.from(parts.key ?? '')
  const extras = parts.extras ?? Buffer.alloc(0)
  const value = Buffer.from(parts.value ?? '')
  const header = Buffer.alloc(HEADER_BYTES)
  header[0] = parts.magic ?? 0x80
  header[1] = opcode
  header.writeUInt16BE(key.length, 2)
  header[4] = extras.length
  header.writeUInt32BE(parts.bodyLength ?? key.length + extras.length + value.length, 8)
  header.writeUInt32BE(parts.opaque ?? 0, 12)
  header.writeBigUInt64BE(parts.cas ?? 0n, 16)
  return Buffer.concat([header, extras, key, value])
}

export function uint32s(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length)
  numbers.forEach((number, i) => {
    bytes.writeUInt32BE(number, 4 * i)
  })
  return bytes
}

type WriteParts = Omit<RequestParts, 'extras'> & { expiration?: number; flags?: number }

export function writeFrame(opcode: number, key: string, value: string | Buffer, parts: WriteParts = {}): Buffer {
  return frame(opcode, { ...parts, key, value, extras: uint32s(parts.flags ?? 0, parts.expiration ?? 0) })
}

export const setFrame = (key: string, value: string | Buffer, parts: WriteParts = {}): Buffer =>
  writeFrame(Opcode.set, key, value, parts)
export const getFrame = (key: string, opaque = 0): Buffer => frame(Opcode.get, { key, opaque })

export function countFrame(opcode: number, key: string, delta: bigint, initial: bigint, expiration = 0): Buffer {
  const extras = Buffer.alloc(20)
  extras.writeBigUInt64BE(delta, 0)
  extras.writeBigUInt64BE(initial, 8)
  extras.writeUInt32BE(expiration, 16)
  return frame(opcode, { key, extras })
}

/** A client that sends bytes as they are and shows every answer. */
export class RawClient {
  readonly socket: Socket
  readonly closed: Promise<void>
  #bytes: Buffer = Buffer.alloc(0)
  #waiting: (() => void) | undefined
  #open = true

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#waiting?.()
    })
    this.socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.#open = false
        this.#waiting?.()
        resolve()
      })
    })
  }

  send(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  /** Sends, and returns as many answers as asked for; fails when the connection ends before. */
  async ask(bytes: Buffer, count = 1): Promise<Answer[]> {
    this.send(bytes)
    const answers: Answer[] = []
    while (answers.length < count) answers.push(await this.answer())
    return answers
  }

  async one(bytes: Buffer): Promise<Answer> {
    this.send(bytes)
    return this.answer()
  }

  async answer(): Promise<Answer> {
    let answer = this.#cut()
    while (answer === undefined) {
      if (!this.#open) throw new Error('the connection ended without an answer')
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
      answer = this.#cut()
    }
    return answer
  }

  end(): void {
    this.socket.destroy()
  }

  #cut(): Answer | undefined {
    const bytes = this.#bytes
    if (bytes.length < HEADER_BYTES) return undefined
    const end = HEADER_BYTES + bytes.readUInt32BE(8)
    if (bytes.length < end) return undefined
    this.#bytes = bytes.subarray(end)
    const keyAt = HEADER_BYTES + bytes.readUInt8(4)
    const valueAt = keyAt + bytes.readUInt16BE(2)
    return {
      opcode: bytes.readUInt8(1),
      status: bytes.readUInt16BE(6),
      opaque: bytes.readUInt32BE(12),
      cas: bytes.readBigUInt64BE(16),
      extras: bytes.subarray(HEADER_BYTES, keyAt),
      key: bytes.toString('latin1', keyAt, valueAt),
      value: bytes.subarray(valueAt, end),
    }
  }
}
