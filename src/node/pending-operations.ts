/** An operation that was sent, or is about to be, and waits for its reply. */
export interface PendingOperation<T> {
  readonly bytes: number
  reject(error: Error): void
  /** On the clock of `performance.now()`; set by the queue. */
  deadline: number
  next: T | undefined
}

/**
 * The operations of one connection in the order in which they were sent, which is the order of their replies.
 *
 * All have the same time-out (but for the moment when it is changed), so only the oldest needs watching: one timer serves them all, and nothing is armed or
 * cleared an operation. The timer holds the process only while something is pending: without it a process with nothing
 * else to do would exit silently in the middle of an operation.
 */
export class PendingOperations<T extends PendingOperation<T>> {
  readonly #timeout: () => number
  readonly #onOverdue: () => void
  #head: T | undefined
  #tail: T | undefined
  #timer: NodeJS.Timeout | undefined
  #grace: NodeJS.Immediate | undefined
  size = 0
  bytes = 0

  /**
   * @param timeout milliseconds, asked for each operation
   * @param onOverdue called when the oldest operation has waited for longer than that
   */
  constructor(timeout: () => number, onOverdue: () => void) {
    this.#timeout = timeout
    this.#onOverdue = onOverdue
  }

  get oldest(): T | undefined {
    return this.#head
  }

  push(operation: T): void {
    operation.deadline = performance.now() + this.#timeout()
    if (this.#tail === undefined) this.#head = operation
    else this.#tail.next = operation
    this.#tail = operation
    this.size += 1
    this.bytes += operation.bytes
    if (this.size === 1) this.#watch()
  }

  shift(): void {
    const operation = this.#head
    if (operation === undefined) return
    this.#head = operation.next
    if (this.#head === undefined) this.#tail = undefined
    this.size -= 1
    this.bytes -= operation.bytes
    if (this.size === 0) this.#timer?.unref()
  }

  /** Rejects what is pending and stops the timer. */
  end(error: Error): void {
    let operation = this.clear()
    for (; operation !== undefined; operation = operation.next) operation.reject(error)
  }

  /** Forgets what is pending and stops the timer. @returns the oldest operation, from which the others hang. */
  clear(): T | undefined {
    clearTimeout(this.#timer)
    clearImmediate(this.#grace)
    const oldest = this.#head
    this.#head = this.#tail = undefined
    this.size = this.bytes = 0
    return oldest
  }

  #watch(): void {
    if (this.#timer === undefined) this.#timer = setTimeout(this.#tick, this.#timeout())
    else this.#timer.ref()
  }

  readonly #tick = (): void => {
    const oldest = this.#head
    if (oldest === undefined) {
      this.#timer = undefined
      return
    }
    const left = oldest.deadline - performance.now()
    if (left > 0) this.#timer = setTimeout(this.#tick, Math.ceil(left))
    else this.#grace = setImmediate(this.#decide, oldest)
  }

  /**
   * Timers run before sockets are read. When this process itself was busy for longer than the time-out, the reply may
   * have arrived in time: what has arrived is read first, and the time-out stands only if that brought nothing.
   */
  readonly #decide = (overdue: T): void => {
    if (this.#head === overdue) this.#onOverdue()
    else this.#tick()
  }
}
