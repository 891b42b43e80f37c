import { isDeepStrictEqual } from 'node:util'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { waitFor } from '../../src/testing/index.js'
import type { AppServer } from './app-server.js'
import type { Cluster } from './cluster.js'
import { storedSession } from './stored-session.js'
import type { Visitor } from './visitor.js'

export const nonSticky = { mode: 'non-sticky' } as const

type Options = Partial<HoldfastOptions>
type Routes = Parameters<Cluster['server']>[2]

/** Two servers to which requests go as they come. */
export async function twoServers(
  cluster: Cluster,
  options: Options = {},
  routes?: Routes,
): Promise<[AppServer, AppServer]> {
  const start = (route: string) => cluster.server(route, { ...nonSticky, ...options }, routes)
  return Promise.all([start('a'), start('b')])
}

/** Resolves when every session has as many copies as it can have, as far as these servers know. */
export async function repaired(...servers: AppServer[]): Promise<void> {
  const isDone = () => servers.every(({ sessions }) => !sessions.stats().protecting)
  await waitFor(isDone, { timeout: 10_000, message: 'the copies to be complete' })
}

/** Resolves when all these servers know that the node is down. */
export async function knownDown(id: string, ...servers: AppServer[]): Promise<void> {
  const stateAt = ({ sessions }: AppServer) => sessions.stats().nodes.find((node) => node.id === id)?.state
  await waitFor(() => servers.every((server) => stateAt(server) === 'down'), { message: `${id} to be down` })
}

/** Resolves when all nodes are up for these servers. */
export async function allUp(...servers: AppServer[]): Promise<void> {
  const isUp = ({ sessions }: AppServer) => sessions.stats().nodes.every((node) => node.state === 'up')
  await waitFor(() => servers.every(isUp), { timeout: 10_000, message: 'all nodes to be up' })
}

/** Ids of the nodes that answer and have the visitor's session. */
export async function copiesOf(cluster: Cluster, visitor: Visitor): Promise<string[]> {
  const found: string[] = []
  for (const [id, node] of Object.entries(cluster.storages)) {
    const stored = await storedSession(node, visitor).catch(() => undefined)
    if (stored?.kind === 'session') found.push(id)
  }
  return found.sort()
}

/** Resolves when all nodes have the same of a visitor's session; what is in it. */
export async function agreedContent(cluster: Cluster, visitor: Visitor): Promise<Record<string, unknown>> {
  const content = async () => {
    const all = await Promise.all(cluster.ids.map((id) => storedSession(cluster.node(id), visitor)))
    const [first] = all
    const agree = all.every((one) => one !== undefined && isDeepStrictEqual(one, first))
    return agree ? first?.attributes : undefined
  }
  return (await waitFor(content, { timeout: 10_000, message: 'all nodes to have the same' })) ?? {}
}
