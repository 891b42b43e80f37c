import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { findServer as findServerBy } from '../../src/testing/find-server.js'
import { redisProgram, type ServerProgram } from '../../src/testing/server-binaries.js'
import { findOrInstall as findOrInstallBy, type OtherWays } from '../support/find-or-install.js'

const server = { name: 'memcached' as const, image: 'memcached:pinned', debianPackage: 'memcached-package' }

const ways = {
  hasContainerEngine: vi.fn<OtherWays['hasContainerEngine']>(),
  canInstall: vi.fn<OtherWays['canInstall']>(),
  install: vi.fn<OtherWays['install']>(),
}
const findServer = (program: ServerProgram) => findServerBy(program, ways.hasContainerEngine)
const findOrInstall = (program: ServerProgram) => findOrInstallBy(program, ways)

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'find-server-'))
  vi.stubEnv('PATH', folder)
  ways.hasContainerEngine.mockResolvedValue(false)
  ways.canInstall.mockResolvedValue(false)
})

afterEach(async () => {
  vi.unstubAllEnvs()
  vi.resetAllMocks()
  await rm(folder, { recursive: true })
})

async function writeProgram(name: string = server.name): Promise<void> {
  await writeFile(join(folder, name), '#!/bin/sh\n')
  await chmod(join(folder, name), 0o755)
}

describe('finding a server program', () => {
  it('takes the first on the PATH, and asks nobody else', async () => {
    await writeProgram()
    expect(await findServer(server)).toEqual({ kind: 'program', path: join(folder, 'memcached') })
    expect(ways.hasContainerEngine).not.toHaveBeenCalled()
  })

  it('takes another program that does the same before it', async () => {
    await writeProgram('redis-server')
    expect(await findServer(redisProgram)).toEqual({ kind: 'program', path: join(folder, 'redis-server') })
    await writeProgram('valkey-server')
    expect(await findServer(redisProgram)).toEqual({ kind: 'program', path: join(folder, 'valkey-server') })
  })

  it('takes an image where a container engine answers', async () => {
    ways.hasContainerEngine.mockResolvedValue(true)
    expect(await findServer(server)).toEqual({ kind: 'image', image: 'memcached:pinned' })
  })

  it('takes no container where the program has no image', async () => {
    ways.hasContainerEngine.mockResolvedValue(true)
    const error = await findServer({ ...server, image: undefined }).catch((error: Error) => error)
    expect(String(error)).toMatch(/memcached is needed: .*apt-get install memcached-package/)
    expect(String(error)).not.toMatch(/Docker/)
  })

  it('installs the package where it may', async () => {
    ways.canInstall.mockResolvedValue(true)
    ways.install.mockImplementation(() => writeProgram())
    expect(await findOrInstall(server)).toEqual({ kind: 'program', path: join(folder, 'memcached') })
    expect(ways.install).toHaveBeenCalledWith('memcached-package')
  })

  it.each([findServer, findOrInstall])('says what to install when there is no way', async (find) => {
    await expect(find(server)).rejects.toThrow(/memcached is needed: .*apt-get install memcached-package.*Docker/)
  })

  it('says too why installing failed', async () => {
    ways.canInstall.mockResolvedValue(true)
    ways.install.mockRejectedValue(new Error('no network'))
    await expect(findOrInstall(server)).rejects.toThrow(/apt failed: no network/)
  })
})
