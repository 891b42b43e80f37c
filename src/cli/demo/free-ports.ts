import { createServer, type Server } from 'node:net'
import { DemoError } from './demo-error.js'

/** `count` different ports that are free on `host` at this moment. */
export async function freePorts(count: number, host: string): Promise<number[]> {
  // All are held at the same time, so that no port comes twice.
  const holders = await Promise.all(Array.from({ length: count }, () => listen(0, host)))
  const ports = holders.map(portOf)
  await Promise.all(holders.map(close))
  return ports
}

/** Throws a `DemoError` that names `option` when somebody else listens on the port. */
export async function requireFree(port: number, host: string, option: string): Promise<void> {
  try {
    await close(await listen(port, host))
  } catch (error) {
    throw portError(error, port, host, option)
  }
}

/** The message for a port that can't be had: what is wrong and which option helps. */
export function portError(error: unknown, port: number, host: string, option: string): DemoError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') return new DemoError(`port ${port} on ${host} is taken; choose another one with ${option}`)
  if (code === 'EACCES') return new DemoError(`port ${port} needs more rights; choose another one with ${option}`)
  return new DemoError(`can't listen on ${host}:${port}: ${error instanceof Error ? error.message : error}`)
}

function listen(port: number, host: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, host, () => resolve(server))
  })
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
