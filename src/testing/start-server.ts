import { startContainer } from './container-engine.js'
import { findServer } from './find-server.js'
import { freePort } from './free-port.js'
import type { ServerProgram } from './server-binaries.js'
import type { ServerProcess } from './server-process.js'
import { startProcess } from './start-process.js'
import { waitFor } from './wait-for.js'

export interface ServerPlan {
  program: ServerProgram
  /** Default: a free one. */
  port?: number | undefined
  /** Command line for a server that listens on that address. */
  args(host: string, port: number): string[] | Promise<string[]>
  /** Throws or gives `false` as long as the server doesn't answer. */
  answers(address: { host: string; port: number }): Promise<boolean>
}

/** A real server under test. */
export interface TestServer {
  readonly host: string
  readonly port: number
  /** `undefined` in a container. */
  readonly pid: number | undefined
  /** Ends it, as a crash would with SIGKILL (default), and waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Stops it in its tracks: its connections stay open and nothing is answered. */
  suspend(): Promise<void>
  resume(): Promise<void>
  /** Ends it, if it runs, and starts it on the same port; what it held is lost. Waits until it answers. */
  restart(): Promise<void>
  close(): Promise<void>
}

const attempts = 3

/** Starts a server and waits until it answers. A port that was taken in the meantime costs another attempt. */
export async function startServer(plan: ServerPlan): Promise<TestServer> {
  for (let attempt = 1; ; attempt += 1) {
    const port = plan.port ?? (await freePort())
    const { host, process } = await launch(plan, port)
    try {
      return await runningServer(plan, host, port, process)
    } catch (error) {
      await process.close()
      if (plan.port !== undefined || attempt === attempts) throw error
    }
  }
}

async function launch(plan: ServerPlan, port: number): Promise<{ host: string; process: ServerProcess }> {
  const found = await findServer(plan.program)
  if (found.kind === 'program') {
    return { host: '127.0.0.1', process: await startProcess(found.path, await plan.args('127.0.0.1', port)) }
  }
  const command = [plan.program.name, ...(await plan.args('0.0.0.0', port))]
  const container = await startContainer(found.image, command, port)
  return { host: container.host, process: container }
}

async function runningServer(
  plan: ServerPlan,
  host: string,
  port: number,
  process: ServerProcess,
): Promise<TestServer> {
  const answers = (): Promise<void> => waitUntilItAnswers(plan, host, port, process)
  await answers()
  return {
    host,
    port,
    get pid() {
      return process.pid
    },
    kill: (signal) => process.kill(signal),
    suspend: () => process.suspend(),
    resume: () => process.resume(),
    async restart() {
      await process.kill()
      await process.start()
      await answers()
    },
    close: () => process.close(),
  }
}

async function waitUntilItAnswers(plan: ServerPlan, host: string, port: number, process: ServerProcess): Promise<void> {
  const message = `${plan.program.name} to answer on ${host}:${port}`
  const answered = await waitFor(async () => (process.running ? plan.answers({ host, port }) : 'ended'), {
    message,
    timeout: 10_000,
  })
  if (answered === 'ended') {
    throw new Error(`${plan.program.name} ended at once on port ${port}: ${process.output}`)
  }
}
