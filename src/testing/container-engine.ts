import type { ServerProcess } from './server-process.js'
import { waitFor } from './wait-for.js'

export interface ContainerProcess extends ServerProcess {
  readonly host: string
}

type Testcontainers = typeof import('testcontainers')
type EngineContainer = ReturnType<
  Awaited<ReturnType<Testcontainers['getContainerRuntimeClient']>>['container']['getById']
>

const checkTimeout = 10_000

/** Whether testcontainers is installed and a container engine answers it. */
export async function hasContainerEngine(): Promise<boolean> {
  const timeout = new Promise<false>((resolve) => setTimeout(resolve, checkTimeout, false).unref())
  return Promise.race([engineAnswers(), timeout])
}

async function engineAnswers(): Promise<boolean> {
  try {
    const { getContainerRuntimeClient } = await import('testcontainers')
    await getContainerRuntimeClient()
    return true
  } catch {
    return false
  }
}

/**
 * Starts a server in a container; it listens on the same port outside as inside, so that the port outlives a restart.
 * The image is pulled when the engine doesn't have it yet.
 */
export async function startContainer(image: string, command: string[], port: number): Promise<ContainerProcess> {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers')
  const container = await new GenericContainer(image)
    .withCommand(command)
    .withExposedPorts({ container: port, host: port })
    .withWaitStrategy(Wait.forListeningPorts())
    .start()
  const engine = await getContainerRuntimeClient()
  const stop = async (): Promise<void> => {
    await container.stop({ timeout: 0 })
  }
  return new RunningContainer(container.getHost(), engine.container.getById(container.getId()), stop)
}

class RunningContainer implements ContainerProcess {
  readonly host: string
  readonly pid = undefined
  readonly output = ''
  running = true
  readonly #container: EngineContainer
  readonly #stop: () => Promise<void>
  #suspended = false
  #closed = false

  constructor(host: string, container: EngineContainer, stop: () => Promise<void>) {
    this.host = host
    this.#container = container
    this.#stop = stop
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.running) return
    if (this.#suspended) await this.resume()
    await this.#container.kill({ signal })
    await waitFor(async () => !(await this.#container.inspect()).State.Running, { message: 'the container to end' })
    this.running = false
  }

  async suspend(): Promise<void> {
    this.#suspended = true
    await this.#container.pause()
  }

  async resume(): Promise<void> {
    this.#suspended = false
    await this.#container.unpause()
  }

  async start(): Promise<void> {
    if (this.running) return
    await this.#container.start()
    this.running = true
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // An engine neither stops nor kills what is paused.
    if (this.#suspended) await this.resume()
    this.running = false
    await this.#stop()
  }
}
