import type { Socket } from 'node:net'

/**
 * What is sent in one turn of the event loop goes out in one system call, which is the dearest part of an operation.
 * The turn ends when all sockets that had something to read have been served: under load each of them brings a request
 * that asks the storage.
 */
export class WriteBatch {
  #open = false

  /** To be called before each write. */
  begin(socket: Socket): void {
    if (this.#open) return
    this.#open = true
    socket.cork()
    setImmediate(this.#end, socket)
  }

  readonly #end = (socket: Socket): void => {
    this.#open = false
    socket.uncork()
  }
}
