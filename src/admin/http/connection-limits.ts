import type { Server } from 'node:http'
import { type ConnectionLimits, Connections } from '../../connections.js'

/** Bounds the connections of a server. Those that wait for an answer stay: only idle ones give way. */
export function limitConnections(server: Server, limits: ConnectionLimits): void {
  const connections = new Connections(limits)
  server.on('connection', (socket) => connections.add(socket)?.destroy())
  server.on('request', (req, res) => {
    connections.begin(req.socket)
    res.once('close', () => connections.end(req.socket))
  })
}
