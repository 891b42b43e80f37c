import type { Socket } from 'node:net'

/**
 * Ends a plain connection by a reset, not in order: what the system has not sent yet must not be applied after we gave it up. A unix
 * socket, which has no address, knows no reset.
 */
export function giveUpSocket(socket: Socket): void {
  if (socket.connecting || socket.remoteAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}
