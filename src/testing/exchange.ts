import { connect } from 'node:net'

/**
 * Sends a line to a server that speaks a text protocol and reads until the answer is complete.
 *
 * @param complete tells from all that was read so far whether that is the whole answer
 * @param timeout milliseconds. Default: 10,000
 */
export function exchange(
  address: { host: string; port: number },
  line: string,
  complete: (answer: string) => boolean,
  timeout = 10_000,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(address.port, address.host, () => socket.write(`${line}\r\n`))
    const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${timeout} ms`)), timeout)
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if (!complete(answer)) return
      resolve(answer)
      socket.destroy()
    })
    socket.once('error', reject)
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Error('the server closed the connection'))
    })
  })
}
