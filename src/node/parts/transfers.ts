import { ClosedError, NodeRefusedError, NodeUnreachableError } from '../../errors.js'

export interface TransferLimits {
  /** Bytes that are under way at once; a larger transfer goes alone. */
  underWay: number
  /** Bytes that wait for their turn; beyond that transfers are refused. */
  waiting: number
}

interface Transfer {
  readonly bytes: number
  begin(): Promise<void>
  reject(error: unknown): void
}

/**
 * Lets large transfers begin one after another, so that each is over within the time-out of one operation, whose time runs from its
 * beginning. None waits longer than those before it need: when the node stops answering, all that wait are told so.
 */
export class Transfers {
  readonly #label: string
  readonly #limits: TransferLimits
  readonly #waiting: Transfer[] = []
  #waitingBytes = 0
  #underWay = 0
  #closed = false

  /** @param label the storage node, for people */
  constructor(label: string, limits: TransferLimits) {
    this.#label = label
    this.#limits = limits
  }

  /** @throws NodeRefusedError when too much waits already; what the transfer throws; what one before it has met. */
  run<T>(bytes: number, transfer: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(this.#closedError())
    if (this.#waitingBytes + bytes > this.#limits.waiting) return Promise.reject(this.#tooMany())
    return new Promise((resolve, reject) => {
      const begin = async () => {
        try {
          resolve(await transfer())
        } catch (error) {
          if (error instanceof NodeUnreachableError) this.#refuse(error)
          reject(error)
        }
        this.#underWay -= bytes
        this.#beginNext()
      }
      this.#waiting.push({ bytes, begin, reject })
      this.#waitingBytes += bytes
      this.#beginNext()
    })
  }

  /** Refuses what waits, and what comes. */
  close(): void {
    this.#closed = true
    this.#refuse(this.#closedError())
  }

  #beginNext(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#hasRoom(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#waitingBytes -= next.bytes
      this.#underWay += next.bytes
      void next.begin()
    }
  }

  #hasRoom(bytes: number): boolean {
    return this.#underWay === 0 || this.#underWay + bytes <= this.#limits.underWay
  }

  #refuse(error: Error): void {
    this.#waitingBytes = 0
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  #tooMany(): NodeRefusedError {
    return new NodeRefusedError(`storage node ${this.#label} has ${this.#waitingBytes} bytes of large values waiting`)
  }

  #closedError(): ClosedError {
    return new ClosedError(`storage node ${this.#label}`)
  }
}
