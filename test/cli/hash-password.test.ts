import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { parsePasswordHash, passwordMatches } from '../../src/admin/access/password-hash.js'
import { hashPasswordCommand, type PasswordInput } from '../../src/cli/hash-password.js'

async function run(input: PasswordInput, ...args: string[]) {
  let stdout = ''
  let stderr = ''
  const io = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
  }
  const code = await hashPasswordCommand(args, io, input)
  return { code, stdout, stderr }
}

describe('holdfast hash-password', () => {
  it('prints the hash of the first line', async () => {
    const { code, stdout, stderr } = await run(Readable.from(['a-password-of-the-tests\nmore\n']))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const hash = parsePasswordHash(stdout.trim())
    expect(hash && (await passwordMatches('a-password-of-the-tests', hash))).toBe(true)
  })

  it('asks on a terminal, and does not show what is typed', async () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => terminal })
    terminal.write('a-password-of-the-tests\r')
    const { code, stdout, stderr } = await run(terminal)
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'Password: \n' })
    expect(stdout).toMatch(/^scrypt\$/)
  })

  it('refuses short passwords, no password and arguments', async () => {
    expect(await run(Readable.from(['short\n']))).toMatchObject({ code: 1, stdout: '' })
    expect(await run(Readable.from([]))).toMatchObject({ code: 1, stdout: '' })
    await expect(run(Readable.from([]), 'a-password-of-the-tests')).rejects.toThrow(/takes no arguments/)
  })
})
