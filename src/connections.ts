import { isIPv6, type Socket } from 'node:net'

/** How many connections a server has at most. */
export interface ConnectionLimits {
  readonly total: number
  /** Of one network, see `networkOf`. */
  readonly perNetwork: number
}

/**
 * The connections of a server, bounded in all and for each network. A connection too many is not turned away: the one that has done nothing
 * for longest gives way, of the network that has the most. So whoever holds connections open can't keep others out.
 */
export class Connections {
  /** In the order in which they came, or last did something. */
  private readonly byNetwork = new Map<string, Set<Socket>>()
  private readonly networks = new WeakMap<Socket, string>()
  private readonly busy = new WeakMap<Socket, number>()
  private readonly limits: ConnectionLimits
  private total = 0

  constructor(limits: ConnectionLimits) {
    this.limits = limits
  }

  get size(): number {
    return this.total
  }

  /**
   * Counts a connection until it closes.
   * @returns which one has to give way now; the new one itself where all others are at work. `undefined`: there is room.
   */
  add(socket: Socket): Socket | undefined {
    const network = networkOf(socket.remoteAddress ?? 'unknown')
    const sockets = this.byNetwork.get(network) ?? new Set()
    this.byNetwork.set(network, sockets.add(socket))
    this.networks.set(socket, network)
    this.total++
    socket.once('close', () => this.remove(socket))
    if (sockets.size > this.limits.perNetwork) return this.longestIdle(network)
    return this.total > this.limits.total ? this.longestIdle(this.largest()) : undefined
  }

  /** It does something now: it gives way after those that do not. */
  used(socket: Socket): void {
    const sockets = this.byNetwork.get(this.networks.get(socket) ?? '')
    if (sockets?.delete(socket)) sockets.add(socket)
  }

  /** It is at work until `end` is called as often: it does not give way. */
  begin(socket: Socket): void {
    this.busy.set(socket, (this.busy.get(socket) ?? 0) + 1)
  }

  end(socket: Socket): void {
    const left = (this.busy.get(socket) ?? 1) - 1
    if (left > 0) this.busy.set(socket, left)
    else this.busy.delete(socket)
    this.used(socket)
  }

  private remove(socket: Socket): void {
    const network = this.networks.get(socket) ?? ''
    const sockets = this.byNetwork.get(network)
    if (sockets?.delete(socket)) this.total--
    if (sockets?.size === 0) this.byNetwork.delete(network)
  }

  private largest(): string {
    let [largest, most] = ['', 0]
    for (const [network, { size }] of this.byNetwork) if (size > most) [largest, most] = [network, size]
    return largest
  }

  /* One that is destroyed already is counted until its end is known. */
  private longestIdle(network: string): Socket | undefined {
    for (const socket of this.byNetwork.get(network) ?? []) {
      if (!this.busy.has(socket) && !socket.destroyed) return socket
    }
    return undefined
  }
}

/**
 * What limits count together: an address of IPv4, and of IPv6 the first 64 bits, which is the least that one customer has for
 * himself.
 */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.toLowerCase().split('::')
  const [first, last] = [groups(head), groups(tail ?? '')]
  const missing = tail === undefined ? 0 : 8 - first.length - last.length
  const all = [...first, ...Array.from({ length: Math.max(0, missing) }, () => '0'), ...last]
  return `${all
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}

/** A dotted end (`::1.2.3.4`) stands for two groups; what they are is no matter, as they are among the last four. */
function groups(text: string): string[] {
  return text === '' ? [] : text.split(':').flatMap((group) => (group.includes('.') ? ['0', '0'] : [group]))
}
