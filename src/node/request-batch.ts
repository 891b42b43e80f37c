const CHUNK_BYTES = 64 * 1024
/** Larger values go out in a piece of their own. */
const LARGE_BYTES = CHUNK_BYTES / 2

/**
 * Puts together what is sent in one turn of the event loop, so that it goes out in one system call, which is the dearest
 * part of an operation. The turn ends when all sockets that had something to read have been served: under load each of
 * them brings a request that asks the storage.
 */
export class RequestBatch {
  readonly #write: (bytes: Buffer) => void
  #chunk: Buffer = Buffer.alloc(0)
  #from = 0
  #to = 0
  #waiting = false

  /** @param write takes over the bytes */
  constructor(write: (bytes: Buffer) => void) {
    this.#write = write
  }

  /** A line, one character a byte, and where it announces a data block, the block. Copies. */
  add(line: string, block?: Uint8Array): void {
    const length = block === undefined ? line.length : line.length + block.length + 2
    if (length > LARGE_BYTES) {
      this.flush()
      this.#write(put(Buffer.allocUnsafeSlow(length), 0, line, block))
      return
    }
    if (length > this.#chunk.length - this.#to) this.#nextChunk()
    this.#append(length, line, block)
  }

  #nextChunk(): void {
    this.flush()
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    this.#from = this.#to = 0
  }

  #append(length: number, line: string, block: Uint8Array | undefined): void {
    put(this.#chunk, this.#to, line, block)
    this.#to += length
    if (this.#waiting) return
    this.#waiting = true
    setImmediate(this.#endTurn)
  }

  readonly #endTurn = (): void => {
    this.#waiting = false
    this.flush()
  }

  flush(): void {
    if (this.#from === this.#to) return
    const bytes = this.#chunk.subarray(this.#from, this.#to)
    this.#from = this.#to
    this.#write(bytes)
  }
}

function put(bytes: Buffer, at: number, line: string, block: Uint8Array | undefined): Buffer {
  bytes.write(line, at, 'latin1')
  if (block === undefined) return bytes
  bytes.set(block, at + line.length)
  bytes.write('\r\n', at + line.length + block.length, 'latin1')
  return bytes
}
