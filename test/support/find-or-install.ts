import { type FoundServer, findServer } from '../../src/testing/find-server.js'
import type { ServerProgram } from '../../src/testing/server-binaries.js'
import { canInstallWithApt, installWithApt } from './apt-install.js'

/**
 * As `findServer`; what is nowhere is installed with apt where that is possible (Debian, as root).
 * @throws Error that says what to install: a test on a real server is never skipped silently
 */
export async function findOrInstall(server: ServerProgram): Promise<FoundServer> {
  try {
    return await findServer(server)
  } catch (missing) {
    if (!(await canInstallWithApt())) throw missing
    await installWithApt(server.debianPackage).catch((cause: Error) => {
      throw new Error(`${(missing as Error).message} (installing it with apt failed: ${cause.message})`, { cause })
    })
    return findServer(server)
  }
}
