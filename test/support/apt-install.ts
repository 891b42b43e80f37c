import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { promisify } from 'node:util'

export interface AptOptions {
  /** Milliseconds for everything together. Default: 5 minutes. */
  timeout?: number
  /** Milliseconds before another attempt while another program holds apt's lock. Default: 2 s. */
  pause?: number
}

const run = promisify(execFile)

/** Daemons that a package brings are not to be started: tests start their own, on free ports. */
const environment = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }

const lockMessage = /could not get lock|unable to (acquire|lock)|is another process using it/i

/** Installs packages of Debian, as root. */
export class Apt {
  #listsUpdated: Promise<void> | undefined

  /** Whether this is a Debian (or a child of it) and we are root. */
  async canInstall(): Promise<boolean> {
    if (process.getuid?.() !== 0) return false
    return access('/etc/debian_version').then(
      () => true,
      () => false,
    )
  }

  /**
   * Installs a package; the package lists are brought up to date before the first one. Waits, within bounds, while another
   * program holds the lock of apt or dpkg.
   */
  async install(packageName: string, options: AptOptions = {}): Promise<void> {
    const { timeout = 300_000, pause = 2000 } = options
    const end = performance.now() + timeout
    this.#listsUpdated ??= aptGet(['update', '-qq'], end, pause)
    await this.#listsUpdated
    await aptGet(['install', '-y', '-qq', '--no-install-recommends', packageName], end, pause)
  }
}

/** The one of this process, whose lists are brought up to date once. */
export const apt = new Apt()

async function aptGet(args: string[], end: number, pause: number): Promise<void> {
  for (;;) {
    const timeout = Math.ceil(end - performance.now())
    if (timeout <= 0) throw new Error(`apt-get ${args[0]} did not end in time`)
    try {
      await run('apt-get', args, { timeout, env: { ...process.env, ...environment } })
      return
    } catch (error) {
      if (!lockMessage.test(String((error as { stderr?: unknown }).stderr))) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}
