import { connect } from 'node:net'

/** Milliseconds for one question. */
const TIMEOUT = 2000

/**
 * Sends one command of a text protocol on a connection of its own and reads until the end mark.
 *
 * @param {number} port @param {string} command @param {RegExp} end what the whole reply ends with
 * @returns {Promise<string>}
 */
export function textQuery(port, command, end) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(command))
    let reply = ''
    socket.setEncoding('latin1').setTimeout(TIMEOUT)
    socket.on('data', (text) => {
      reply += text
      if (end.test(reply)) socket.destroy()
    })
    socket.on('timeout', () => socket.destroy(new Error(`port ${port} did not answer`)))
    socket.on('error', reject)
    socket.on('close', () => resolve(reply))
  })
}
