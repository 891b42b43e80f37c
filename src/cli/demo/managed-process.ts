import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { plainText } from '../terminal.js'
import { DemoError } from './demo-error.js'
import type { EventLog } from './event-log.js'
import { within } from './within.js'

export type ProcessState = 'dead' | 'starting' | 'running' | 'stopping'

/** How one kind of process is started. */
export interface ProcessRecipe {
  /** `a`, `n1`, … */
  readonly name: string
  spawn(): ChildProcess
  /** Resolves when the process serves. The caller watches over its early end and over the time that it takes. */
  ready(child: ChildProcess): Promise<void>
}

const START_TIMEOUT_MS = 60_000
const SAID_LINES = 5

/** One process of the cluster: can be started, stopped in order, killed, and started again. */
export class ManagedProcess {
  readonly name: string
  readonly #recipe: ProcessRecipe
  readonly #log: EventLog
  #state: ProcessState = 'dead'
  #child: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()
  #said: string[] = []

  constructor(recipe: ProcessRecipe, log: EventLog) {
    this.name = recipe.name
    this.#recipe = recipe
    this.#log = log
  }

  get state(): ProcessState {
    return this.#state
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  protected get child(): ChildProcess | undefined {
    return this.#child
  }

  /** Starts it and waits until it serves. Throws a `DemoError` when it ends or stays silent instead. */
  async start(): Promise<void> {
    if (this.#state !== 'dead') throw new DemoError(`${this.name} is ${this.#state}`)
    this.#state = 'starting'
    const child = this.#recipe.spawn()
    this.#adopt(child)
    try {
      await within(START_TIMEOUT_MS, Promise.race([this.#recipe.ready(child), this.#endedTooEarly()]), () => {
        return new DemoError(`${this.name} wasn't ready within ${START_TIMEOUT_MS / 1000} seconds${this.#lastWords()}`)
      })
    } catch (error) {
      await this.kill()
      throw error
    }
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) await this.#endedTooEarly()
    this.#state = 'running'
    this.#log.publish(this.name, 'started', `pid=${child.pid}`)
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#ended
  }

  /** SIGTERM, and kill -9 for a process that hasn't gone after `timeout` milliseconds. */
  async stop(timeout: number): Promise<void> {
    if (this.#child === undefined) return
    this.#state = 'stopping'
    this.#child.kill('SIGTERM')
    const gone = await within(
      timeout,
      this.#ended.then(() => true),
    ).catch(() => false)
    if (!gone) await this.kill()
  }

  /** The last resort of a parent that ends now: no waiting. */
  killNow(): void {
    this.#child?.kill('SIGKILL')
  }

  #adopt(child: ChildProcess): void {
    this.#child = child
    this.#said = []
    this.#listenTo(child)
    this.#ended = new Promise((resolve) => {
      const gone = (how: string): void => {
        if (this.#child !== child) return
        this.#child = undefined
        this.#state = 'dead'
        this.#log.publish(this.name, 'ended', how)
        resolve()
      }
      // 'close' comes after the last of stderr, 'exit' may come before it.
      child.once('close', (code, signal) => gone(signal === null ? `code=${code}` : `signal=${signal}`))
      child.once('error', (error) => {
        this.#said.push(error.message)
        if (child.pid === undefined) gone(error.message)
      })
    })
  }

  #listenTo(child: ChildProcess): void {
    if (child.stderr === null) return
    createInterface({ input: child.stderr }).on('line', (text) => {
      this.#said = [...this.#said, text].slice(-SAID_LINES)
      this.#log.publish(this.name, 'says', plainText(text.slice(0, 300)))
    })
  }

  async #endedTooEarly(): Promise<never> {
    await this.#ended
    throw new DemoError(`${this.name} ended before it was ready${this.#lastWords()}`)
  }

  #lastWords(): string {
    return this.#said.length === 0 ? '' : `:\n  ${this.#said.join('\n  ')}`
  }
}
