import type { Socket } from 'node:net'

const listeners = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls `listener` when the connection is over: for responses that don't tell themselves. However many wait for the same
 * connection, it gets one listener of its own.
 *
 * @returns what takes the listener away.
 */
export function onSocketClose(socket: Socket, listener: () => void): () => void {
  const waiting = listeners.get(socket) ?? listen(socket)
  waiting.add(listener)
  return () => waiting.delete(listener)
}

function listen(socket: Socket): Set<() => void> {
  const waiting = new Set<() => void>()
  listeners.set(socket, waiting)
  socket.once('close', () => {
    listeners.delete(socket)
    for (const listener of waiting) listener()
  })
  return waiting
}
