import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Place } from './storages.js'

/**
 * A way to a storage node that can be cut, as the network between one server and a node can be, whatever protocol they speak. What
 * is sent meanwhile stays on the way, and arrives when the way is open again: also what the sender has long given up.
 */
export class Detour implements Place {
  readonly host = '127.0.0.1'
  port = 0
  /** Bytes that are on the way to the node, since it was cut. */
  held = 0
  /** Bytes that have come from the node. */
  brought = 0
  private cut = false
  private readonly to: Place
  private readonly sockets = new Set<Socket>()
  private readonly waiting: (() => void)[] = []
  private readonly listener: Server

  private constructor(to: Place) {
    this.to = to
    /* Half open: a sender that gives up does not take back what it has sent. */
    this.listener = createServer({ allowHalfOpen: true }, (client) => this.connect(client))
  }

  static async to(place: Place): Promise<Detour> {
    const detour = new Detour(place)
    detour.listener.listen(0, detour.host)
    await once(detour.listener, 'listening')
    detour.port = (detour.listener.address() as AddressInfo).port
    return detour
  }

  /** From now on nothing arrives, in either direction. */
  hang(): void {
    this.cut = true
    this.held = 0
  }

  /** Everything arrives again. */
  heal(): void {
    this.cut = false
    for (const go of this.waiting.splice(0)) go()
  }

  /** Ends every connection hard. */
  reset(): void {
    for (const socket of this.sockets) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    this.heal()
    this.listener.close()
    for (const socket of this.sockets) socket.destroy()
    await once(this.listener, 'close')
  }

  private connect(client: Socket): void {
    const node = connect({ ...this.to, allowHalfOpen: true })
    this.forward(client, node, true)
    this.forward(node, client, false)
  }

  private forward(from: Socket, to: Socket, isRequest: boolean): void {
    this.sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (chunk) => {
      if (this.cut && isRequest) this.held += chunk.length
      if (!isRequest) this.brought += chunk.length
      this.whenOpen(() => to.write(chunk))
    })
    from.on('end', () => this.whenOpen(() => to.end()))
    from.on('error', () => this.whenOpen(() => to.end()))
    from.on('close', () => {
      this.sockets.delete(from)
      this.whenOpen(() => to.end())
    })
  }

  private whenOpen(step: () => void): void {
    if (this.cut) this.waiting.push(step)
    else step()
  }
}
