/** What has to be stopped at the end, the last thing first, whatever the end is. */
export class StopList {
  /** @type {(() => unknown)[]} */
  #stops = []
  /** @type {Promise<void> | undefined} */
  #stopped

  /** @param {() => unknown} stop */
  add(stop) {
    this.#stops.push(stop)
  }

  /** May be called more than once, also while it is under way. */
  stopAll() {
    this.#stopped ??= this.#stopEach()
    return this.#stopped
  }

  get isStopping() {
    return this.#stopped !== undefined
  }

  async #stopEach() {
    while (this.#stops.length > 0) await stopOne(this.#stops.pop())
  }
}

/** One that fails must not keep the others from being stopped. */
async function stopOne(stop) {
  try {
    await stop()
  } catch (error) {
    console.error(error)
  }
}
