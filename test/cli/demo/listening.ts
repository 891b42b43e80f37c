import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Server as NetServer } from 'node:net'

/** An HTTP server on a free port of loopback. */
export async function serve(handler: RequestListener, port = 0): Promise<Server> {
  const server = createServer(handler)
  await listen(server, port)
  return server
}

export function listen(server: NetServer, port = 0): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
}

export function portOf(server: NetServer): number {
  return (server.address() as AddressInfo).port
}

export async function stop(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
}
