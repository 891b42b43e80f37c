/** One server behind the balancer. */
export interface BackendAddress {
  /** The suffix of session ids that belong to it. */
  route: string
  host: string
  port: number
}

const HELD_AT_MOST = 1000

/** What the balancer knows of one server: up or down, how many requests are with it, whether new ones wait. */
export class Backend implements BackendAddress {
  readonly route: string
  readonly host: string
  readonly port: number
  up = true
  /** On its way out: gets no requests, whatever its health check says. */
  drained = false
  inFlight = 0
  #held: { released: Promise<void>; release: () => void; waiting: number } | undefined

  constructor({ route, host, port }: BackendAddress) {
    this.route = route
    this.host = host
    this.port = port
  }

  /** Whether a visitor who belongs to no server may be sent here. */
  get open(): boolean {
    return this.up && !this.drained && this.#held === undefined
  }

  /** From now on requests for this server wait, until `release`. */
  hold(): void {
    if (this.#held !== undefined) return
    const { promise, resolve } = withResolver()
    this.#held = { released: promise, release: resolve, waiting: 0 }
  }

  release(): void {
    this.#held?.release()
    this.#held = undefined
  }

  /** Resolves when requests may go on, or after `ms` milliseconds; at once when too many wait already. */
  async pass(ms: number): Promise<void> {
    const held = this.#held
    if (held === undefined || held.waiting >= HELD_AT_MOST) return
    held.waiting += 1
    let timer: NodeJS.Timeout | undefined
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms)
    })
    await Promise.race([held.released, enough])
    clearTimeout(timer)
    held.waiting -= 1
  }
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
