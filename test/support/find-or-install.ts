import { hasContainerEngine } from '../../src/testing/container-engine.js'
import { type FoundServer, findServer } from '../../src/testing/find-server.js'
import type { ServerProgram } from '../../src/testing/server-binaries.js'
import { apt } from './apt-install.js'

/** Where a program comes from that is not on the PATH. */
export interface OtherWays {
  hasContainerEngine(): Promise<boolean>
  canInstall(): Promise<boolean>
  install(packageName: string): Promise<void>
}

const waysOfThisMachine: OtherWays = {
  hasContainerEngine,
  canInstall: () => apt.canInstall(),
  install: (packageName) => apt.install(packageName),
}

/**
 * As `findServer`; what is nowhere is installed with apt where that is possible (Debian, as root).
 * @throws Error that says what to install: a test on a real server is never skipped silently
 */
export async function findOrInstall(server: ServerProgram, ways = waysOfThisMachine): Promise<FoundServer> {
  try {
    return await findServer(server, ways.hasContainerEngine)
  } catch (missing) {
    if (!(await ways.canInstall())) throw missing
    await ways.install(server.debianPackage).catch((cause: Error) => {
      throw new Error(`${(missing as Error).message} (installing it with apt failed: ${cause.message})`, { cause })
    })
    return findServer(server, ways.hasContainerEngine)
  }
}
