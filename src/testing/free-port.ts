import { once } from 'node:events'
import { createServer } from 'node:net'

/*
 * Below the ports that systems hand out by themselves (from 32768 on Linux, 49152 elsewhere), so that a server that is
 * stopped and started again finds its port still free. Each process begins somewhere else.
 */
const FIRST = 20_000
const COUNT = 12_000
let next = (process.pid * 97) % COUNT

/** A TCP port that is free on this machine at this moment, and that nobody gets by asking for any port. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < COUNT; attempt++) {
    const port = FIRST + next
    next = (next + 1) % COUNT
    if (await isFree(port, host)) return port
  }
  throw new Error(`no free port between ${FIRST} and ${FIRST + COUNT} on ${host}`)
}

async function isFree(port: number, host: string): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
