import { Opcode, Status } from '../memcached-wire/binary.js'
import { LineStream } from '../memcached-wire/lines.js'
import { type Cutter, INVENTED_CAS, type ProxiedProtocol, type ProxiedReply, type ProxiedRequest } from './proxied.js'

export const proxiedMeta: ProxiedProtocol = {
  requests: () => cutter(blockOfRequest, proxiedRequest),
  replies: () => cutter(blockOfReply, proxiedReply),
}

/** A line and the data block that it announced. */
type Make<T> = (line: string, block: Buffer | undefined) => T

function cutter<T>(blockOf: (line: string) => number | undefined, make: Make<T>): Cutter<T> {
  const stream = new LineStream()
  let begun: string | undefined
  const next = (): T | undefined => {
    const line = begun ?? stream.line()
    begun = line
    if (line === undefined) return undefined
    const length = blockOf(line)
    const block = length === undefined ? undefined : stream.block(length)
    if (length !== undefined && block === undefined) return undefined
    begun = undefined
    return make(line, block)
  }
  return (chunk) => {
    stream.push(chunk)
    const pieces: T[] = []
    for (let piece = next(); piece !== undefined; piece = next()) pieces.push(piece)
    return pieces
  }
}

function blockOfRequest(line: string): number | undefined {
  const size = /^ms \S+ (\d+)/.exec(line)?.[1] ?? /^set \S+ \d+ \d+ (\d+)/.exec(line)?.[1]
  return size === undefined ? undefined : Number(size)
}

function blockOfReply(line: string): number | undefined {
  const size = /^VA (\d+)/.exec(line)?.[1]
  return size === undefined ? undefined : Number(size)
}

function bytesOf(line: string, block?: Buffer): Buffer {
  const head = Buffer.from(`${line}\r\n`, 'latin1')
  return block === undefined ? head : Buffer.concat([head, block, Buffer.from('\r\n')])
}

function proxiedRequest(line: string, block: Buffer | undefined): ProxiedRequest {
  const opcode = opcodeOf(line)
  const opaque = / O\d+/.exec(line)?.[0] ?? ''
  return {
    bytes: bytesOf(line, block),
    opcode,
    greeting: /^(version|set) /.test(line),
    withKey: (key) => bytesOf(line.replace(/^(\S+) \S+/, `$1 ${key}`), block),
    reply: (status) => bytesOf(replyLine(opcode, status, opaque)),
    claimStored: () => bytesOf(`HD c${INVENTED_CAS}${opaque}`),
  }
}

function opcodeOf(line: string): number {
  const [command, ...rest] = line.split(' ')
  const flags = rest.slice(1)
  const has = (flag: string): boolean => flags.some((word) => word.startsWith(flag))
  if (command === 'mg') return has('T') ? (has('v') ? Opcode.gat : Opcode.touch) : Opcode.get
  if (command === 'ms') return has('M') ? Opcode.add : Opcode.set
  if (command === 'md') return Opcode.delete
  if (command === 'set') return Opcode.authenticate
  return command === 'version' ? Opcode.version : Opcode.noop
}

function replyLine(opcode: number, status: number, opaque: string): string {
  const reads = opcode === Opcode.get || opcode === Opcode.gat || opcode === Opcode.touch
  if (status === Status.ok) return `HD${opaque}`
  if (status === Status.notFound) return `${reads ? 'EN' : 'NF'}${opaque}`
  if (status === Status.exists) return `EX${opaque}`
  if (status === Status.notStored) return `NS${opaque}`
  if (status === Status.tooLarge) return 'SERVER_ERROR object too large for cache'
  if (status === Status.outOfMemory) return 'SERVER_ERROR out of memory storing object'
  return status === Status.unknownCommand ? 'ERROR' : `CLIENT_ERROR status ${status}`
}

function proxiedReply(line: string, block: Buffer | undefined): ProxiedReply {
  return {
    bytes: bytesOf(line, block),
    withOtherOpaque: () => {
      const other = line.replace(/ O(\d+)/, (_, digits) => ` O${Number(digits) + 1}`)
      return bytesOf(other === line ? 'HD O0' : other, block)
    },
  }
}
