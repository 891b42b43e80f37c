import type { ServerResponse } from 'node:http'

/** So many are noted, at least, before it is looked which of them are over. */
const FEWEST = 64
/** Milliseconds after which none that is over is kept: it may hold much of the application's. */
const LOOK_EVERY = 1000

/** A request on its way through the application. */
export interface OpenRequest {
  readonly res: ServerResponse
  /** What it has changed so far becomes the session's content. */
  commitSoFar(): void
}

/**
 * The requests that have a session and are not answered yet, for a shutdown that waits for them. To be told of each end would cost every
 * request more than what is done here, so those that are over are found by looking.
 */
export class OpenRequests {
  private noted: OpenRequest[] = []
  private limit = FEWEST
  private timer: NodeJS.Timeout | undefined

  add(request: OpenRequest): void {
    this.noted.push(request)
    if (this.noted.length >= this.limit) this.look()
    this.timer ??= this.lookLater()
  }

  /** Those that are not over. */
  current(): readonly OpenRequest[] {
    this.look()
    return this.noted
  }

  /** How many are not over. One is noted twice that had to wait for its session. */
  get size(): number {
    return new Set(this.current().map(({ res }) => res)).size
  }

  /** Resolves when those that are open now are over; the caller bounds the wait. */
  async over(): Promise<void> {
    await Promise.all(this.current().map(({ res }) => ended(res)))
  }

  private look(): void {
    this.noted = this.noted.filter(({ res }) => !isOver(res))
    this.limit = Math.max(FEWEST, this.noted.length * 2)
  }

  private lookLater(): NodeJS.Timeout {
    const again = (): void => {
      this.look()
      this.timer = this.noted.length > 0 ? this.lookLater() : undefined
    }
    return setTimeout(again, LOOK_EVERY).unref()
  }
}

/* Stand-ins that some libraries pass tell nothing; nobody could wait for their end. */
function isOver(res: ServerResponse): boolean {
  return res.writableEnded !== false || res.destroyed || res.closed
}

function ended(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    res.once('finish', resolve)
    res.once('close', resolve)
  })
}
