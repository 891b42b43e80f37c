/** Where the RESP2 message that begins at `start` ends; `undefined`: it is not complete. */
export function messageEnd(bytes: Buffer, start: number): number | undefined {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd === -1) return undefined
  const kind = String.fromCharCode(bytes[start] as number)
  const length = Number(bytes.toString('latin1', start + 1, lineEnd))
  if (kind === '$') return length < 0 ? lineEnd + 2 : within(bytes, lineEnd + 2 + length + 2)
  let end: number | undefined = lineEnd + 2
  for (let item = 0; kind === '*' && item < length && end !== undefined; item += 1) end = messageEnd(bytes, end)
  return end
}

function within(bytes: Buffer, end: number): number | undefined {
  return end <= bytes.length ? end : undefined
}

/** Cuts a stream into messages. */
export class MessageReader {
  #rest = Buffer.alloc(0)

  read(chunk: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const messages: Buffer[] = []
    for (;;) {
      const end = messageEnd(this.#rest, 0)
      if (end === undefined) return messages
      messages.push(this.#rest.subarray(0, end))
      this.#rest = this.#rest.subarray(end)
    }
  }
}

/** The name of the command in a request. */
export function commandName(request: Buffer): string {
  return (request.toString('latin1').split('\r\n')[2] ?? '').toUpperCase()
}

/** The words of a request, its name first. */
export function readCommand(request: Buffer): Buffer[] {
  const words: Buffer[] = []
  let at = request.indexOf('\r\n') + 2
  while (at < request.length) {
    const lineEnd = request.indexOf('\r\n', at)
    const begin = lineEnd + 2
    const end = begin + Number(request.toString('latin1', at + 1, lineEnd))
    words.push(request.subarray(begin, end))
    at = end + 2
  }
  return words
}

export function encodeCommand(...words: (string | Buffer)[]): Buffer {
  const parts = words.map((word) => Buffer.from(word as string))
  const bulks = parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')])
  return Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...bulks])
}
