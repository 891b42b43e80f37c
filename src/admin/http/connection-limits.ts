import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { networkOf } from './client-address.js'

/**
 * Bounds the connections of a server, in all and of one network. A connection too many is not turned away: the one that has waited longest
 * without a request gives way, of the network that has the most. So whoever holds connections open can't keep others out, such as a
 * balancer that looks whether the server lives. Only where all are at work, the newcomer is.
 */
export function limitConnections(server: Server, limits: { total: number; perAddress: number }): void {
  const connections = new Connections()
  server.on('connection', (socket) => {
    const network = networkOf(socket.remoteAddress ?? 'unknown')
    connections.add(socket, network)
    socket.once('close', () => connections.remove(socket))
    const crowded = connections.of(network) > limits.perAddress ? network : undefined
    if (crowded === undefined && connections.total <= limits.total) return
    ;(connections.longestIdle(crowded ?? connections.largest()) ?? socket).destroy()
  })
  server.on('request', (req, res) => {
    connections.begin(req.socket)
    res.once('close', () => connections.end(req.socket))
  })
}

class Connections {
  /** In the order in which they came, or were last used. */
  private readonly byNetwork = new Map<string, Set<Socket>>()
  private readonly networks = new WeakMap<Socket, string>()
  private readonly busy = new WeakMap<Socket, number>()
  total = 0

  add(socket: Socket, network: string): void {
    const sockets = this.byNetwork.get(network) ?? new Set()
    this.byNetwork.set(network, sockets.add(socket))
    this.networks.set(socket, network)
    this.total++
  }

  remove(socket: Socket): void {
    const network = this.networks.get(socket) ?? ''
    const sockets = this.byNetwork.get(network)
    if (sockets?.delete(socket)) this.total--
    if (sockets?.size === 0) this.byNetwork.delete(network)
  }

  of(network: string): number {
    return this.byNetwork.get(network)?.size ?? 0
  }

  largest(): string {
    let largest = ''
    for (const [network, sockets] of this.byNetwork) if (sockets.size > this.of(largest)) largest = network
    return largest
  }

  longestIdle(network: string): Socket | undefined {
    for (const socket of this.byNetwork.get(network) ?? []) {
      if (!this.busy.has(socket) && !socket.destroyed) return socket
    }
    return undefined
  }

  begin(socket: Socket): void {
    this.busy.set(socket, (this.busy.get(socket) ?? 0) + 1)
  }

  end(socket: Socket): void {
    const left = (this.busy.get(socket) ?? 1) - 1
    if (left > 0) this.busy.set(socket, left)
    else this.busy.delete(socket)
    const sockets = this.byNetwork.get(this.networks.get(socket) ?? '')
    if (sockets?.delete(socket)) sockets.add(socket)
  }
}
