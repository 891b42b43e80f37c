import { exchange } from './exchange.js'
import { redisProgram } from './server-binaries.js'
import { startServer, type TestServer } from './start-server.js'

/** Starts a real Redis that writes nothing to disk, and waits until it answers. */
export async function startRedis(options: { port?: number } = {}): Promise<TestServer> {
  return startServer({
    program: redisProgram,
    port: options.port,
    args: (host, port) => [
      '--bind',
      host,
      '--port',
      `${port}`,
      '--save',
      '',
      '--appendonly',
      'no',
      '--protected-mode',
      'no',
    ],
    answers: async (address) => (await exchange(address, 'PING', (answer) => answer.includes('\r\n'))) === '+PONG\r\n',
  })
}
