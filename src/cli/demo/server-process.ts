import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { DemoError } from './demo-error.js'
import { describePayload, type EventLog } from './event-log.js'
import { ManagedProcess } from './managed-process.js'
import { OPTIONS_VARIABLE, type Question, type ServerMessage, type ShopOptions } from './server-messages.js'
import type { CloseReport, ServerStats } from './server-stats.js'
import { LOOPBACK } from './storage-process.js'
import { within } from './within.js'

const ANSWER_TIMEOUT_MS = 20_000

/** A shop server in a process of its own. */
export class ServerProcess extends ManagedProcess {
  readonly port: number
  /** Where the dashboard is; `undefined`: there is none. */
  readonly dashboard: string | undefined
  /** What the last orderly end of this server said; `undefined` after a kill. */
  closeReport: CloseReport | undefined
  readonly #answers = new Map<number, (stats: ServerStats) => void>()
  #questions = 0

  constructor(options: ShopOptions, log: EventLog) {
    const hear = (message: ServerMessage): void => this.#hear(message, log)
    super(
      {
        name: options.route,
        spawn: () => {
          this.closeReport = undefined
          return spawnServer(options).on('message', hear)
        },
        ready: listening,
      },
      log,
    )
    this.port = options.port
    this.dashboard = options.adminPort === undefined ? undefined : `http://${LOOPBACK}:${options.adminPort}/`
  }

  /** The session manager's numbers, asked now. Rejects when the server is dead or hangs. */
  stats(): Promise<ServerStats> {
    return this.#ask('stats')
  }

  /** Resolves when every change up to now is stored. */
  async flush(): Promise<void> {
    await this.#ask('flush')
  }

  async #ask(ask: Question['ask']): Promise<ServerStats> {
    const child = this.child
    if (child === undefined || !child.connected) throw new DemoError(`server ${this.name} is ${this.state}`)
    const number = ++this.#questions
    const answer = new Promise<ServerStats>((resolve) => this.#answers.set(number, resolve))
    try {
      // An error here means that the channel closed meanwhile: the time-out tells.
      child.send({ ask, number } satisfies Question, () => {})
      return await within(ANSWER_TIMEOUT_MS, answer)
    } finally {
      this.#answers.delete(number)
    }
  }

  #hear(message: ServerMessage, log: EventLog): void {
    if (message.is === 'answer') this.#answers.get(message.number)?.(message.stats)
    if (message.is === 'event') log.publish(this.name, message.name, describePayload(message.payload))
    if (message.is === 'closed') {
      this.closeReport = message.report
      log.publish(this.name, 'closed', describePayload(message.report))
    }
  }
}

function spawnServer(options: ShopOptions): ChildProcess {
  return spawn(process.execPath, [fileURLToPath(new URL('./shop-process.js', import.meta.url))], {
    env: { ...process.env, [OPTIONS_VARIABLE]: JSON.stringify(options) },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // A process group of its own: the demo decides in which order everything stops on Ctrl-C.
    detached: true,
  })
}

function listening(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.on('message', (message: ServerMessage) => {
      if (message.is === 'listening') resolve()
    })
  })
}
