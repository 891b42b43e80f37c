import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { EventLog } from './event-log.js'
import { ManagedProcess, type ProcessRecipe } from './managed-process.js'
import { until } from './within.js'

export const LOOPBACK = '127.0.0.1'
const MEMORY_MB = 64
const READY_TIMEOUT_MS = 50_000

/** A storage node in a process of its own: the memcached program where there is one, else an embedded node. */
export class StorageProcess extends ManagedProcess {
  readonly port: number
  /** As the session manager's configuration wants it: `n1:memcached://127.0.0.1:11311`. */
  readonly url: string
  readonly software: 'memcached' | 'embedded'

  constructor(name: string, port: number, memcached: string | undefined, log: EventLog) {
    super(memcached === undefined ? embeddedRecipe(name, port) : memcachedRecipe(name, port, memcached), log)
    this.port = port
    this.software = memcached === undefined ? 'embedded' : 'memcached'
    this.url = `${name}:${this.software}://${LOOPBACK}:${port}`
  }
}

/** The memcached program on the PATH; `undefined` when there is none. */
export function findMemcached(path: string = process.env.PATH ?? ''): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'memcached'))
    .find(isProgram)
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

function memcachedRecipe(name: string, port: number, program: string): ProcessRecipe {
  const args = ['-l', LOOPBACK, '-p', String(port), '-U', '0', '-m', String(MEMORY_MB), '-c', '256']
  // memcached refuses to run as root unless it is told whom to become.
  if (process.getuid?.() === 0) args.push('-u', 'nobody')
  return {
    name,
    // A process group of its own: a Ctrl-C must not reach the storage before the servers have flushed.
    spawn: () => spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true }),
    ready: (child) => answers(child, port),
  }
}

function embeddedRecipe(name: string, port: number): ProcessRecipe {
  const main = fileURLToPath(new URL('../main.js', import.meta.url))
  const args = [main, 'node', '--host', LOOPBACK, '--port', String(port), '--memory', `${MEMORY_MB}MB`]
  return {
    name,
    // The IPC channel tells the node when its parent has died.
    spawn: () => spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], detached: true }),
    ready: (child) => answers(child, port),
  }
}

async function answers(child: ChildProcess, port: number): Promise<void> {
  const gone = (): boolean => child.exitCode !== null || child.signalCode !== null || child.pid === undefined
  await until(`port ${port} answers`, READY_TIMEOUT_MS, async () => gone() || (await accepts(port)))
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, LOOPBACK)
    const answer = (yes: boolean): void => {
      socket.destroy()
      resolve(yes)
    }
    socket.setTimeout(1000, () => answer(false))
    socket.once('connect', () => answer(true))
    socket.once('error', () => answer(false))
  })
}
