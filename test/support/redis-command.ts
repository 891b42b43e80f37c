import { exchange } from '../../src/testing/exchange.js'

/** Sends inline commands to a Redis server; gives the answer without the last line end. */
export async function redisCommand(server: { host: string; port: number }, line: string): Promise<string> {
  const lines = line.split('\r\n').length
  const answer = await exchange(server, line, (text) => isComplete(text, lines))
  return answer.trimEnd()
}

/** Whether so many replies are there: simple ones, and bulk texts. */
function isComplete(text: string, replies: number): boolean {
  let rest = text
  for (let reply = 0; reply < replies; reply += 1) {
    const end = rest.indexOf('\r\n')
    if (end === -1) return false
    const length = rest.startsWith('$') ? Number(rest.slice(1, end)) : -1
    const next = end + 2 + (length >= 0 ? length + 2 : 0)
    if (rest.length < next) return false
    rest = rest.slice(next)
  }
  return true
}
