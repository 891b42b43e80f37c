import { createHash } from 'node:crypto'
import { copyFile, mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../src/testing/free-port.js'
import type { Opened } from '../../src/testing/opened.js'
import type { ServerProcess } from '../../src/testing/server-process.js'
import { startProcess } from '../../src/testing/start-process.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { secret } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const app = join(root, 'deploy/app')

/** Of the token in `METRICS_TOKEN_SHA256` of every shop. */
export const metricsToken = 'the-token-of-a-test-which-nobody-else-has'

/** A server of `deploy/app`, in a process of its own. */
export interface Shop {
  readonly route: string
  readonly port: number
  readonly adminPort: number
  readonly process: ServerProcess
  /** Starts it again after its end, and waits until it serves. */
  restart(): Promise<void>
  /** What follows the name of a counter in `/metrics`. */
  metric(name: string): Promise<number>
}

/** The application in a folder of its own, with its packages: as it is installed somewhere. */
export async function installShop(opened: Opened): Promise<string> {
  const folder = await opened.folder()
  await mkdir(join(folder, 'node_modules'))
  await symlink(root, join(folder, 'node_modules/holdfast'))
  await symlink(join(root, 'node_modules/express'), join(folder, 'node_modules/express'))
  for (const file of ['package.json', 'server.js', 'holdfast.config.yaml']) {
    await copyFile(join(app, file), join(folder, file))
  }
  return folder
}

export async function startShop(
  opened: Opened,
  folder: string,
  route: string,
  environment: Readonly<Record<string, string>>,
): Promise<Shop> {
  const [port, adminPort] = [await freePort(), await freePort()]
  const started = startProcess(process.execPath, ['server.js'], {
    folder,
    environment: {
      PORT: String(port),
      HOST: '127.0.0.1',
      ROUTE: route,
      SESSION_SECRET: secret,
      ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
      METRICS_TOKEN_SHA256: createHash('sha256').update(metricsToken).digest('hex'),
      ...environment,
    },
  })
  const child = await opened.add(started)
  const serves = async (): Promise<void> => {
    await waitFor(
      async () => {
        if (!child.running) throw new Error(child.output)
        return (await new Visitor().get(`http://127.0.0.1:${port}/`)).status === 200
      },
      { message: `server ${route} to serve`, timeout: 60_000 },
    )
  }
  await serves()
  return {
    route,
    port,
    adminPort,
    process: child,
    async restart() {
      await child.start()
      await serves()
    },
    async metric(name) {
      const headers = { authorization: `Bearer ${metricsToken}` }
      const { status, body } = await new Visitor().get(`http://127.0.0.1:${adminPort}/metrics`, headers)
      if (status !== 200) throw new Error(`${status} ${body}`)
      return Number(new RegExp(`^${name} (.*)$`, 'm').exec(body)?.[1])
    },
  }
}
