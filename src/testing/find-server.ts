import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { hasContainerEngine } from './container-engine.js'
import type { ServerProgram } from './server-binaries.js'

/** A program of this machine, or an image for the container engine. */
export type FoundServer = { kind: 'program'; path: string } | { kind: 'image'; image: string }

/**
 * Finds a server program: on the PATH, else as an image where it has one and a container engine answers. Looks afresh until something was
 * found.
 *
 * @param asksEngine whether a container engine answers
 * @throws Error that says what to install: a test on a real server is never skipped silently
 */
export async function findServer(server: ServerProgram, asksEngine = hasContainerEngine): Promise<FoundServer> {
  for (const name of [...(server.instead ?? []), server.name]) {
    const path = await findOnPath(name)
    if (path !== undefined) return { kind: 'program', path }
  }
  if (server.image !== undefined && (await asksEngine())) return { kind: 'image', image: server.image }
  const container = server.image === undefined ? '' : ', or start Docker'
  throw new Error(
    `${server.name} is needed: install it so that it is on the PATH (Debian, Ubuntu: apt-get install ` +
      `${server.debianPackage}; macOS: brew install ${server.name.replace('-server', '')})${container}`,
  )
}

/** Servers often live in the sbin folders, which not every PATH has. */
async function findOnPath(name: string): Promise<string | undefined> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin']
  for (const folder of folders) {
    const path = join(folder, name)
    if (folder !== '' && (await isExecutable(path))) return path
  }
  return undefined
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
