import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hasContainerEngine } from '../../src/testing/container-engine.js'
import { findServer } from '../../src/testing/find-server.js'
import { redisProgram } from '../../src/testing/server-binaries.js'
import { canInstallWithApt, installWithApt } from '../support/apt-install.js'
import { findOrInstall } from '../support/find-or-install.js'

vi.mock('../support/apt-install.js')
vi.mock('../../src/testing/container-engine.js')

const server = { name: 'memcached' as const, image: 'memcached:pinned', debianPackage: 'memcached-package' }

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'find-server-'))
  vi.stubEnv('PATH', folder)
  vi.mocked(hasContainerEngine).mockResolvedValue(false)
  vi.mocked(canInstallWithApt).mockResolvedValue(false)
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
    expect(hasContainerEngine).not.toHaveBeenCalled()
  })

  it('takes another program that does the same before it', async () => {
    await writeProgram('redis-server')
    expect(await findServer(redisProgram)).toEqual({ kind: 'program', path: join(folder, 'redis-server') })
    await writeProgram('valkey-server')
    expect(await findServer(redisProgram)).toEqual({ kind: 'program', path: join(folder, 'valkey-server') })
  })

  it('takes an image where a container engine answers', async () => {
    vi.mocked(hasContainerEngine).mockResolvedValue(true)
    expect(await findServer(server)).toEqual({ kind: 'image', image: 'memcached:pinned' })
  })

  it('takes no container where the program has no image', async () => {
    vi.mocked(hasContainerEngine).mockResolvedValue(true)
    const error = await findServer({ ...server, image: undefined }).catch((error: Error) => error)
    expect(String(error)).toMatch(/memcached is needed: .*apt-get install memcached-package/)
    expect(String(error)).not.toMatch(/Docker/)
  })

  it('installs the package where it may', async () => {
    vi.mocked(canInstallWithApt).mockResolvedValue(true)
    vi.mocked(installWithApt).mockImplementation(() => writeProgram())
    expect(await findOrInstall(server)).toEqual({ kind: 'program', path: join(folder, 'memcached') })
    expect(installWithApt).toHaveBeenCalledWith('memcached-package')
  })

  it.each([findServer, findOrInstall])('says what to install when there is no way', async (find) => {
    await expect(find(server)).rejects.toThrow(/memcached is needed: .*apt-get install memcached-package.*Docker/)
  })

  it('says too why installing failed', async () => {
    vi.mocked(canInstallWithApt).mockResolvedValue(true)
    vi.mocked(installWithApt).mockRejectedValue(new Error('no network'))
    await expect(findOrInstall(server)).rejects.toThrow(/apt failed: no network/)
  })
})
