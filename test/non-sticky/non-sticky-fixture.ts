import type { Express } from 'express'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { exchange } from '../../src/testing/exchange.js'
import { waitFor } from '../../src/testing/index.js'
import type { AppServer } from '../support/app-server.js'
import type { Cluster } from '../support/cluster.js'
import { keyOf, storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

type Options = Partial<HoldfastOptions>
type Routes = (app: Express) => void

/** Each write is waited for, however busy the machine is. */
const nonSticky = { mode: 'non-sticky', backup: { timeout: '5s' } } as const

/** Two servers without stickiness, which have exchanged their notes with every node. */
export async function startPair(
  cluster: Cluster,
  options: Options = {},
  routes?: Routes,
): Promise<[AppServer, AppServer]> {
  const all = { ...nonSticky, ...options, backup: { ...nonSticky.backup, ...options.backup } }
  const servers = await Promise.all([cluster.server('a', all, routes), cluster.server('b', all, routes)])
  await cluster.settled()
  return servers
}

/** Storage operations on all nodes so far, those that were refused among them. */
export async function operations(cluster: Cluster): Promise<number> {
  const counts = Object.values(cluster.memcacheds).map((memcached) => memcached.storageOperations())
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

/** Seconds until what a node has of the session expires; -1: never, 0: there is nothing. */
export async function timeToLive(cluster: Cluster, node: string, visitor: Visitor): Promise<number> {
  const answer = await exchange(cluster.memcached(node), `mg ${keyOf(visitor)} t`, (text) => text.endsWith('\r\n'))
  return Number(/^HD t(-?\d+)/.exec(answer)?.[1] ?? 0)
}

/** The keys of everything that a node has, without the notes of the servers. */
export async function keysOn(cluster: Cluster, node: string): Promise<string[]> {
  const answer = await exchange(cluster.memcached(node), 'lru_crawler metadump all', (text) => text.endsWith('END\r\n'))
  const keys = Array.from(answer.matchAll(/^key=(\S+)/gm), ([, key = '']) => decodeURIComponent(key))
  return keys.filter((key) => !key.endsWith(':notes'))
}

/** The nodes, of those that are named, that have a live copy of the session, in order. */
export async function copiesOf(cluster: Cluster, visitor: Visitor, nodes: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const node of nodes) {
    if ((await storedSession(cluster.memcached(node), visitor))?.kind === 'session') found.push(node)
  }
  return found.sort()
}

/** All nodes but the session's primary one. */
export function otherNodes(cluster: Cluster, visitor: Visitor): string[] {
  return Object.keys(cluster.memcacheds).filter((id) => id !== visitor.node)
}

export async function untilNode(state: 'up' | 'down', id: string, ...servers: AppServer[]): Promise<void> {
  const reached = () =>
    servers.every(({ sessions }) => sessions.stats().nodes.find((node) => node.id === id)?.state === state)
  await waitFor(reached, { message: `${id} to be ${state}`, timeout: 10_000 })
}

/** Resolves when no server has anything to store, move or repair. */
export async function untilSettled(...servers: AppServer[]): Promise<void> {
  const settled = () =>
    servers.every(({ sessions }) => {
      const { pendingBackups, protecting } = sessions.stats()
      return pendingBackups === 0 && !protecting
    })
  await waitFor(settled, { message: 'everything to be stored', timeout: 10_000 })
}

/** All ways to lock, where requests that match the pattern change the session. */
export const lockingModes = [
  ['none', { mode: 'none' }],
  ['all', { mode: 'all', timeout: '10s' }],
  ['auto', { mode: 'auto', timeout: '10s' }],
  ['uri', { mode: 'uri', pattern: '.', timeout: '10s' }],
  ['app', { mode: 'app', timeout: '10s' }],
] as const

/** Those that lock requests as they come in. */
export const requestLocking = lockingModes.filter(([name]) => name === 'all' || name === 'auto' || name === 'uri')

/**
 * Uses something again and again for `duration` milliseconds, and gives what is left of it then. When the machine stalled between two
 * uses for longer than `longestGap`, that proves nothing: it begins anew.
 */
export async function usedSteadily<T>(
  { duration, longestGap }: { duration: number; longestGap: number },
  begin: () => Promise<T>,
  use: (thing: T) => Promise<unknown>,
): Promise<unknown> {
  let thing = await begin()
  let began = Date.now()
  for (let last = began; ; ) {
    const pause = Date.now() + 100
    await waitFor(() => Date.now() > pause)
    const asked = Date.now()
    const seen = await use(thing)
    const stalled = Date.now() - last > longestGap
    if (!stalled && Date.now() - began > duration) return seen
    if (stalled) {
      thing = await begin()
      began = Date.now()
    }
    last = stalled ? began : asked
  }
}
