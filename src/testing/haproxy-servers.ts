import { connect } from 'node:net'

/** What HAProxy thinks of one of its servers. */
export interface HaproxyServer {
  name: string
  /** Whether it gets new connections. */
  up: boolean
  /** Whether that is the outcome of a check: before the first one HAProxy takes every server for well. */
  checked: boolean
}

const timeout = 10_000

/** Asks HAProxy over its socket, see https://docs.haproxy.org/dev/management.html#9.1 for the columns. */
export async function haproxyServers(socketPath: string): Promise<HaproxyServer[]> {
  const [heading = '', ...lines] = (await ask(socketPath, 'show stat')).replace(/^# /, '').trim().split('\n')
  const columns = heading.split(',')
  return lines
    .map((line) => line.split(','))
    .map((values) => Object.fromEntries(columns.map((column, index) => [column, values[index] ?? ''])))
    .filter(({ svname = '' }) => svname !== 'FRONTEND' && svname !== 'BACKEND')
    .map(({ svname = '', status = '', check_status = '' }) => ({
      name: svname,
      up: status.startsWith('UP'),
      checked: check_status !== '' && !check_status.includes('INI'),
    }))
}

function ask(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => socket.write(`${command}\n`))
    let answer = ''
    socket.setTimeout(timeout, () => socket.destroy(new Error('no answer from HAProxy')))
    socket.on('data', (chunk) => {
      answer += chunk.toString()
    })
    socket.once('error', reject)
    socket.once('end', () => resolve(answer))
  })
}
