import { fileURLToPath } from 'node:url'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import type { SessionManagerStats } from '../../src/create-session-manager.js'
import type { FlushReport } from '../../src/manager/server-sessions.js'
import { freePort } from '../../src/testing/index.js'
import { startProcess } from '../../src/testing/start-process.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { secret } from './app-server.js'
import { Visitor } from './visitor.js'

const program = fileURLToPath(new URL('./server-process-main.js', import.meta.url))

/** A server of the built package in a process of its own, which can be killed or stopped in its tracks. */
export interface ServerProcess {
  url: string
  pid: number
  /** Ends it as a crash would. */
  kill(): Promise<void>
  suspend(): Promise<void>
  resume(): Promise<void>
  /** SIGTERM: an orderly shutdown. What `close()` reported. */
  terminate(): Promise<FlushReport>
  stats(): Promise<SessionManagerStats>
  /** Names of the session and node events so far. */
  events(): Promise<string[]>
  close(): Promise<void>
}

export async function startServerProcess(options: Partial<HoldfastOptions>): Promise<ServerProcess> {
  const port = await freePort()
  const child = await startProcess(process.execPath, [program, String(port), JSON.stringify({ secret, ...options })])
  await waitFor(
    () => {
      if (!child.running) throw new Error(child.output)
      return child.output.includes('listening')
    },
    { message: 'the server process to listen', timeout: 15_000 },
  )
  const url = `http://127.0.0.1:${port}`
  const ask = async (path: string) => (await new Visitor().get(`${url}${path}`)).json()
  return {
    url,
    pid: child.pid as number,
    kill: () => child.kill('SIGKILL'),
    suspend: () => child.suspend(),
    resume: () => child.resume(),
    async terminate() {
      await child.kill('SIGTERM')
      const report = await waitFor(() => /^report (.*)$/m.exec(child.output)?.[1], { message: 'the report' })
      return JSON.parse(report ?? 'null')
    },
    stats: () => ask('/internal/stats') as Promise<SessionManagerStats>,
    events: () => ask('/internal/events') as Promise<string[]>,
    close: () => child.close(),
  }
}
