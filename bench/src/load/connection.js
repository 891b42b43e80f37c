import { connect } from 'node:net'

/** Milliseconds without a byte, after which a server counts as stuck. */
const TIMEOUT = 10_000

const HEADERS = 'Host: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: text/html\r\nAccept-Encoding: identity\r\n'

/** @typedef {{ status: number, body: string, cookie: string | undefined }} Reply `cookie` only if one was set */

/**
 * One HTTP/1.1 connection, kept alive, with one request at a time. It understands what Express answers to `res.send`
 * (a length, no chunks) and little else: the less work the load is, the less it disturbs what is measured.
 */
export class Connection {
  #socket
  #received = ''
  /** @type {{ resolve: (reply: Reply) => void, reject: (error: Error) => void } | undefined} */
  #waiting
  /** @type {Error | undefined} */
  #failure

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.#socket = socket
    socket.setEncoding('latin1').setNoDelay(true)
    socket.on('data', (text) => this.#receive(text))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
    socket.on('timeout', () => this.#fail(new Error(`no answer for ${TIMEOUT} ms`)))
  }

  /** @param {number} port @returns {Promise<Connection>} */
  static open(port) {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new Connection(socket))
      })
    })
  }

  /** @param {string} path @param {string | undefined} cookie @returns {Promise<Reply>} */
  get(path, cookie) {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const cookieLine = cookie === undefined ? '' : `Cookie: ${cookie}\r\n`
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket.setTimeout(TIMEOUT)
      this.#socket.write(`GET ${path} HTTP/1.1\r\n${HEADERS}${cookieLine}\r\n`)
    })
  }

  close() {
    this.#socket.destroy()
  }

  /** @param {string} text */
  #receive(text) {
    this.#received += text
    const headEnd = this.#received.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const head = this.#received.slice(0, headEnd)
    const length = /\r\ncontent-length: (\d+)/i.exec(head)
    if (length === null) return this.#fail(new Error(`a reply without a length:\n${head}`))
    const end = headEnd + 4 + Number(length[1])
    if (this.#received.length < end) return
    const body = this.#received.slice(headEnd + 4, end)
    this.#received = this.#received.slice(end)
    this.#settle(head, body)
  }

  /** @param {string} head @param {string} body */
  #settle(head, body) {
    const waiting = this.#waiting
    this.#waiting = undefined
    this.#socket.setTimeout(0)
    const cookie = /\r\nset-cookie: ([^;\r]*)/i.exec(head)?.[1]
    waiting?.resolve({ status: Number(head.slice(9, 12)), body, cookie })
  }

  /** @param {Error} error */
  #fail(error) {
    this.#failure ??= error
    this.#socket.destroy()
    this.#waiting?.reject(this.#failure)
    this.#waiting = undefined
  }
}
