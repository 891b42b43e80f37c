import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type CheckKind, haproxyConfiguration } from './haproxy-configuration.js'
import { type Opened, openAll } from './opened.js'
import { haproxyProgram } from './server-binaries.js'
import { startServer, type TestServer } from './start-server.js'

export interface HaproxyOptions {
  /** Servers of this machine. */
  backends: readonly { readonly host: string; readonly port: number }[]
  /** `redis-master`: only servers that answer as a Redis master. `connect` (default): all that take connections. */
  check?: CheckKind
  /** The password that the check gives to Redis. */
  password?: string
  /** Milliseconds between two checks. Default: 100. */
  checkInterval?: number
}

export interface TestHaproxy extends TestServer {
  /** The configuration that it runs with. */
  readonly configuration: string
}

/** Starts a real HAProxy that passes TCP on to the servers that pass its check, and waits until it takes connections. */
export function startHaproxy(options: HaproxyOptions): Promise<TestHaproxy> {
  return openAll((opened) => start(options, opened))
}

async function start(options: HaproxyOptions, opened: Opened): Promise<TestHaproxy> {
  const file = join(await opened.folder(), 'haproxy.cfg')
  let configuration = ''
  const server = await startServer({
    program: haproxyProgram,
    async args(host, port) {
      configuration = haproxyConfiguration({ host, port }, options)
      await writeFile(file, configuration)
      return ['-db', '-f', file]
    },
    answers: takesConnections,
  })
  const end = server.close
  await opened.add(Promise.resolve({ close: end }))
  return Object.assign(server, { configuration, close: () => opened.close() })
}

function takesConnections({ host, port }: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
