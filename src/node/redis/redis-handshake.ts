import { type HoldfastError, NodeRefusedError, NodeUnreachableError } from '../../errors.js'
import type { RedisSocket } from './ioredis-client.js'
import { errorCode, NotDone, printable } from './redis-errors.js'

export interface RedisLogin {
  username: string | undefined
  password: string | undefined
  database: number
  /** Whether a server that is no master is refused. In a cluster the servers send away by themselves. */
  mastersOnly: boolean
}

/**
 * Logs in, chooses the database and finds out who the server is; all in one round trip. We do it instead of ioredis,
 * which goes on in any database when SELECT fails.
 *
 * @returns the `run_id` of the server's process; `undefined` where the server or its access rules don't tell
 * @throws NodeRefusedError when the server doesn't take the login or has no such database
 * @throws NotDone when it is not the master
 */
export async function shakeHands(socket: RedisSocket, label: string, login: RedisLogin): Promise<string | undefined> {
  const { username, password, database } = login
  const user = username === undefined ? [] : [username]
  const steps = await Promise.all([
    password === undefined ? undefined : attempt(socket, 'AUTH', ...user, password),
    database === 0 ? undefined : attempt(socket, 'SELECT', String(database)),
    login.mastersOnly ? attempt(socket, 'ROLE') : undefined,
    attempt(socket, 'INFO', 'server'),
  ])
  const [auth, select, role, info] = steps
  if (auth instanceof Error && !needsNoLogin(auth)) throw refusedLogin(label, auth)
  for (const answer of [role, info]) {
    if (answer instanceof Error && errorCode(answer.message) === 'NOAUTH') throw refusedLogin(label, answer)
  }
  if (select instanceof Error) {
    const message = `storage node ${label} refused database ${database}: ${printable(select.message)}`
    throw new NodeRefusedError(message, { refuses: 'everything' })
  }
  requireMaster(label, role)
  return readRunId(info)
}

/** Fails unless the answer to ROLE is a master's. A server that may not or can't answer counts as one. */
export function requireMaster(label: string, role: unknown): void {
  const name = Array.isArray(role) ? String(role[0]) : 'master'
  if (name === 'master') return
  const outcome = new NodeUnreachableError(`storage node ${label} leads to a server that is a ${name}, not the master`)
  throw new NotDone('not-now', outcome, { wantsOtherConnection: true })
}

async function attempt(socket: RedisSocket, command: string, ...args: string[]): Promise<unknown> {
  try {
    return await socket.call(command, args)
  } catch (error) {
    // Anything but an error reply means the end of the connection, which is noticed elsewhere.
    return error
  }
}

/** A password that the server doesn't ask for: so that it can be configured here before it is there. */
function needsNoLogin({ message }: Error): boolean {
  return message.includes('without any password configured') || message.includes('no password is set')
}

function refusedLogin(label: string, error: Error): HoldfastError {
  const code = errorCode(error.message)
  const why = code === 'NOAUTH' ? 'its address has no password' : 'the user or the password in its address is wrong'
  const message = `storage node ${label} refused the login: ${why} (${code || 'no answer'})`
  return new NodeRefusedError(message, { refuses: 'everything' })
}

function readRunId(info: unknown): string | undefined {
  return Buffer.isBuffer(info) ? /^run_id:(\S+)/m.exec(info.toString('latin1'))?.[1] : undefined
}
