import { fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const SERVER = fileURLToPath(new URL('./server/main.js', import.meta.url))

/** Milliseconds for a start, and for an answer. */
const TIMEOUT = 30_000

/** Milliseconds that the end of a process may come after the end of its connections. */
const LAST_WORDS = 200

/** Characters of the process's error output that are kept for a message. */
const OUTPUT_KEPT = 4000

/** A subject's server in a process of its own, seen from the parent. One question at a time. */
export class SubjectProcess {
  #child
  #errorOutput = ''
  #stopping = false
  /** @type {Promise<never>} rejects when the process ends before it was told to */
  #death

  /**
   * @param {import('./subjects.js').Subject} subject
   * @param {{ storagePorts?: number[], size: string, exposeGc?: boolean }} settings
   */
  constructor(subject, { storagePorts, size, exposeGc = false }) {
    this.subject = subject
    const { server, options } = subject
    this.#child = fork(SERVER, [JSON.stringify({ server, options, storagePorts, size })], {
      execArgv: exposeGc ? ['--expose-gc'] : [],
      env: { ...process.env, NODE_ENV: 'production' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text) => this.#keepOutput(text))
    this.#death = this.#watchDeath()
  }

  /** @returns {Promise<number>} the port that it listens on */
  async port() {
    const { port } = await this.#message()
    return port
  }

  /** Microseconds of CPU time that the process has used, of all its threads. */
  async cpuTime() {
    const { user, system } = await this.#ask('cpu')
    return user + system
  }

  /** Bytes in use after a collection; only with `exposeGc`. @returns {Promise<{ live: number, resident: number }>} */
  memory() {
    return this.#ask('memory')
  }

  /** Until what the answered requests left to do is done. */
  settle() {
    return this.#ask('settle')
  }

  /** Ends the process: orderly if it can, by force if not. */
  async stop() {
    if (this.#stopping) return
    this.#stopping = true
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    await this.#ask('close').catch(() => this.#child.kill('SIGKILL'))
    if (this.#child.connected) this.#child.disconnect()
    await exited
  }

  /**
   * Runs a task that fails at once when the process dies. Errors name the subject.
   *
   * @template T @param {Promise<T>} task @returns {Promise<T>}
   */
  async alive(task) {
    try {
      return await Promise.race([task, this.#death])
    } catch (error) {
      const reason = await this.#reasonOfDeath(error)
      throw new Error(`${this.subject.name}: ${reason.message}`, { cause: error })
    }
  }

  /** A dying process closes its connections first; its end tells more. @param {Error} error @returns {Promise<Error>} */
  #reasonOfDeath(error) {
    return Promise.race([this.#death, sleep(LAST_WORDS, error)]).catch((death) => death)
  }

  async #ask(question) {
    const reply = this.#message()
    if (this.#child.connected) this.#child.send({ question })
    const { answer, error } = await reply
    if (error !== undefined) throw new Error(`${this.subject.name}: ${error}`)
    return answer
  }

  #message() {
    let timer
    let take
    const message = new Promise((resolve, reject) => {
      take = resolve
      timer = setTimeout(() => reject(new Error('no answer from its process')), TIMEOUT)
      this.#child.once('message', take)
    })
    return this.alive(message).finally(() => {
      clearTimeout(timer)
      this.#child.off('message', take)
    })
  }

  /** @returns {Promise<never>} */
  #watchDeath() {
    const death = new Promise((_resolve, reject) => {
      // 'close' and not 'exit': by then its last words have been read.
      this.#child.once('close', (code, signal) => {
        reject(new Error(`its process ended (${signal ?? code})\n${this.#errorOutput}`))
      })
      this.#child.once('error', reject)
    })
    death.catch(() => {})
    return death
  }

  /** @param {string} text */
  #keepOutput(text) {
    this.#errorOutput = (this.#errorOutput + text).slice(-OUTPUT_KEPT)
  }
}
