import { FIRST_ITEMS, visitorName } from '../session-data.js'

/** Sent to bare Express, so that it parses as many bytes as the others. */
const PLACEHOLDER_COOKIE = `sid=${'x'.repeat(90)}`

/** One browser: its cookie, and what its session must hold. Its requests come one after the other. */
export class Visitor {
  /** @type {string | undefined} */
  cookie
  #changes = 0
  #lastItem = FIRST_ITEMS
  #ended = false

  /** @param {number} number @param {boolean} keepsSessions whether the server's answers tell this session's data */
  constructor(number, keepsSessions) {
    this.number = number
    this.name = visitorName(number)
    this.keepsSessions = keepsSessions
    if (!keepsSessions) this.cookie = PLACEHOLDER_COOKIE
  }

  expectChange() {
    this.#changes += 1
    return String(this.#changes)
  }

  expectItem() {
    this.#lastItem += 1
    return String(this.#lastItem)
  }

  /** Its session was ended. */
  expectEnd() {
    this.#ended = true
    return 'gone'
  }

  /** What `/show` answers when nothing was lost. */
  get everything() {
    if (this.#ended) return 'no session'
    return `${this.name}, ${this.#changes} changes, item ${this.#lastItem}`
  }
}
