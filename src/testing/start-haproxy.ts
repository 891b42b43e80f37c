import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CheckKind, haproxyConfiguration } from './haproxy-configuration.js'
import { type HaproxyServer, haproxyServers } from './haproxy-servers.js'
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
  /** Clients come over TLS, and servers are spoken to without it. Default: no TLS. */
  tls?: {
    /** Path of a PEM file with the certificate and its key. */
    certificate: string
    /** Path of a PEM file: clients have to bring a certificate of these authorities. Default: they need none. */
    clientAuthority?: string
  }
}

export interface TestHaproxy extends TestServer {
  /** The configuration that it runs with. */
  readonly configuration: string
  /** The ports of the servers that passed their last check and get new connections. */
  receivers(): Promise<number[]>
}

/** Starts a real HAProxy that passes TCP on to the servers that pass its check, and waits until it has checked all. */
export function startHaproxy(options: HaproxyOptions): Promise<TestHaproxy> {
  return openAll((opened) => start(options, opened))
}

async function start(options: HaproxyOptions, opened: Opened): Promise<TestHaproxy> {
  const folder = await opened.folder()
  const file = join(folder, 'haproxy.cfg')
  const socket = join(folder, 'haproxy.sock')
  const ask = (): Promise<HaproxyServer[]> => haproxyServers(socket)
  let configuration = ''
  const server = await startServer({
    program: haproxyProgram,
    async args(host, port) {
      configuration = haproxyConfiguration({ host, port, socket }, options)
      await writeFile(file, configuration)
      return ['-db', '-f', file]
    },
    answers: async () => (await ask()).every(({ checked }) => checked),
  })
  const end = server.close
  await opened.add(Promise.resolve({ close: end }))
  const receivers = async (): Promise<number[]> => {
    const servers = await ask()
    return options.backends.filter((_backend, index) => servers[index]?.up).map(({ port }) => port)
  }
  return Object.assign(server, { configuration, receivers, close: () => opened.close() })
}
