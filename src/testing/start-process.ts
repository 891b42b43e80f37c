import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { isSuspended } from './process-state.js'
import type { ServerProcess } from './server-process.js'
import { waitFor } from './wait-for.js'

const running = new Set<ChildProcess>()
const keptOutput = 4096

export interface ProcessOptions {
  /** The working directory. Default: that of this process. */
  folder?: string
  /** Variables beside those of this process. */
  environment?: Readonly<Record<string, string>>
}

/** Starts a program that lives until `close()`, or as long as this process. */
export async function startProcess(
  program: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<ServerProcess> {
  const process = new SpawnedProcess(program, args, options)
  await process.start()
  return process
}

class SpawnedProcess implements ServerProcess {
  readonly #program: string
  readonly #args: readonly string[]
  readonly #options: ProcessOptions
  #child: ChildProcess | undefined
  #output = ''

  constructor(program: string, args: readonly string[], options: ProcessOptions) {
    this.#program = program
    this.#args = args
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get output(): string {
    return this.#output
  }

  async start(): Promise<void> {
    if (this.running) return
    const { folder, environment } = this.#options
    const child = spawn(this.#program, this.#args, {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-keptOutput)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    await once(child, 'spawn')
    this.#child = child
    endWithThisProcess(child)
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.running) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  async suspend(): Promise<void> {
    const pid = this.pid
    if (pid === undefined || !this.running) return
    this.#child?.kill('SIGSTOP')
    await waitFor(() => isSuspended(pid), { message: `${this.#program} to stand still`, interval: 1 })
  }

  async resume(): Promise<void> {
    this.#child?.kill('SIGCONT')
  }

  close(): Promise<void> {
    return this.kill('SIGKILL')
  }
}

function endWithThisProcess(child: ChildProcess): void {
  if (running.size === 0) process.once('exit', killRunning)
  running.add(child)
  child.once('exit', () => {
    running.delete(child)
    if (running.size === 0) process.removeListener('exit', killRunning)
  })
}

function killRunning(): void {
  for (const child of running) child.kill('SIGKILL')
}
