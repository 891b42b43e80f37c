import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds for a start, and for an end by SIGTERM. */
const TIMEOUT = 5000

/** Milliseconds between two looks whether the server is there. */
const INTERVAL = 20

/** A storage server that could not be started; the message says what to do. */
export class StorageError extends Error {}

/** A real storage server on a free port of this machine, for the length of a run. */
export class StorageProcess {
  #child
  /** @type {string | undefined} */
  #end

  /** @param {string} program @param {string[]} args @param {number} port */
  constructor(program, args, port) {
    this.program = program
    this.port = port
    this.#child = spawn(program, args, { stdio: 'ignore' })
    this.#child.once('error', (error) => {
      this.#end = describe(program, error)
    })
    this.#child.once('exit', (code) => {
      this.#end = `${program} ended with code ${code}`
    })
  }

  /** @param {() => Promise<unknown>} ping rejects while the server is not there */
  async waitUntilUp(ping) {
    const deadline = performance.now() + TIMEOUT
    while (performance.now() < deadline) {
      const up = await ping().then(
        () => true,
        () => false,
      )
      if (this.#end !== undefined) throw new StorageError(this.#end)
      if (up) return
      await sleep(INTERVAL)
    }
    throw new StorageError(`${this.program} did not answer within ${TIMEOUT} ms`)
  }

  async stop() {
    if (this.#end !== undefined) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGTERM')
    const force = setTimeout(() => this.#child.kill('SIGKILL'), TIMEOUT)
    await exited
    clearTimeout(force)
  }
}

/** @param {string} program @param {NodeJS.ErrnoException} error */
function describe(program, error) {
  if (error.code !== 'ENOENT') return `${program}: ${error.message}`
  return `${program} is not installed. On Debian: apt-get install memcached redis-server`
}

/** A port that was free a moment ago. @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
