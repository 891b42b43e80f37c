import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Apt } from '../support/apt-install.js'

let folder: string
let apt: Apt

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'apt-install-'))
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
  apt = new Apt()
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

/** A stand-in for apt-get that notes how it is called; the script decides how it ends. */
async function writeAptGet(script: string): Promise<void> {
  const program = join(folder, 'apt-get')
  await writeFile(program, `#!/bin/sh\necho "$1 $DEBIAN_FRONTEND" >> ${folder}/calls\n${script}\n`)
  await chmod(program, 0o755)
}

async function calls(): Promise<string[]> {
  return (await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n')
}

describe('installing with apt', () => {
  it('updates the lists once and installs without questions', async () => {
    await writeAptGet('exit 0')
    await apt.install('one')
    await apt.install('two')
    expect(await calls()).toEqual(['update noninteractive', 'install noninteractive', 'install noninteractive'])
  })

  it('tries again while another program holds the lock', async () => {
    await writeAptGet(`
      [ $(wc -l < ${folder}/calls) -gt 3 ] && exit 0
      echo 'E: Could not get lock /var/lib/dpkg/lock-frontend' >&2
      exit 100`)
    await apt.install('one', { pause: 1 })
    expect(await calls()).toHaveLength(5)
  })

  it('gives up when the lock is never free', async () => {
    await writeAptGet("echo 'E: Could not get lock /var/lib/dpkg/lock' >&2; exit 100")
    await expect(apt.install('one', { pause: 1, timeout: 100 })).rejects.toThrow()
  })

  it('passes any other failure on at once', async () => {
    await writeAptGet("[ $1 = update ] || { echo 'E: Unable to locate package one' >&2; exit 100; }")
    await expect(apt.install('one')).rejects.toThrow(/Unable to locate package/)
    expect(await calls()).toHaveLength(2)
  })
})
