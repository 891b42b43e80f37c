import { createInterface } from 'node:readline'
import { type Readable, Writable } from 'node:stream'
import { hashPassword, printPasswordHash } from '../admin/access/password-hash.js'
import type { Terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

export const hashPasswordHelp = `Usage: holdfast hash-password

Prints the hash of a password, for admin.auth.users in the configuration.
Asks for the password; in a pipe, reads it from the first line of the standard input.
`

const minLength = 12

/** Where the password comes from: `process.stdin` fits. */
export type PasswordInput = Readable & { isTTY?: boolean }

/** `holdfast hash-password`: gives the exit code. */
export async function hashPasswordCommand(
  args: readonly string[],
  io: Terminal,
  input: PasswordInput = process.stdin,
): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    io.stdout.write(hashPasswordHelp)
    return 0
  }
  /* An argument would stand in the shell's history and in the list of processes. */
  if (args.length > 0) throw new UsageError('hash-password takes no arguments', 'holdfast hash-password --help')
  if (input.isTTY === true) io.stderr.write('Password: ')
  const password = await readFirstLine(input)
  /* A pipe that stays open would keep the process. */
  input.destroy()
  if (input.isTTY === true) io.stderr.write('\n')
  if (password.length < minLength) {
    io.stderr.write(`holdfast: a password has at least ${minLength} characters\n`)
    return 1
  }
  io.stdout.write(`${printPasswordHash(await hashPassword(password))}\n`)
  return 0
}

/** What is typed is not shown: the lines' echo goes nowhere. */
function readFirstLine(input: PasswordInput): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input, output: nowhere, terminal: input.isTTY === true })
  return new Promise((resolve) => {
    lines.once('line', (line) => {
      resolve(line)
      lines.close()
    })
    lines.once('close', () => resolve(''))
  })
}
