import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Closable {
  close(): Promise<unknown>
}

/** What was opened for a group of servers, to be closed together, the newest first. */
export class Opened {
  readonly #closers: (() => Promise<unknown>)[] = []

  /** A new folder, which goes with all that is in it. */
  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-'))
    this.#closers.push(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
    return folder
  }

  async add<T extends Closable>(starting: Promise<T>): Promise<T> {
    const started = await starting
    this.#closers.push(() => started.close())
    return started
  }

  /** Waits for all, even when one fails, so that none is forgotten. */
  async addAll<T extends Closable>(starting: Promise<T>[]): Promise<T[]> {
    const results = await Promise.allSettled(starting.map((one) => this.add(one)))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return results.map((result) => (result as PromiseFulfilledResult<T>).value)
  }

  /** Idempotent. */
  async close(): Promise<void> {
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) await closer()
  }
}

/** Opens several things; when that fails half-way, what is open already is closed. */
export async function openAll<T>(open: (opened: Opened) => Promise<T>): Promise<T> {
  const opened = new Opened()
  try {
    return await open(opened)
  } catch (error) {
    await opened.close()
    throw error
  }
}
