import { afterEach } from 'vitest'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openNode } from '../../src/node/open-node.js'
import type { StorageNode } from '../../src/node/storage-node.js'
import { decodeSection } from '../../src/record/attribute-section.js'
import { decodeRecord, type StoredRecord } from '../../src/record/record-format.js'
import { parseSessionId, tokenDigest } from '../../src/session-id/session-id.js'
import { exchange } from '../../src/testing/exchange.js'
import { startMemcached, type TestMemcached, waitFor } from '../../src/testing/index.js'
import type { AppServer } from '../support/app-server.js'

/** Short bounds, so that the death of a node is noticed within a test's patience. */
export const quick = { probeInterval: '100ms', operationTimeout: '2s' } as const

interface Closable {
  close(): Promise<unknown>
}

/** Gives a function that takes what is to be closed after each test, the last first. */
export function closeAfterEach(): <T extends Closable>(thing: T) => T {
  const opened: Closable[] = []
  afterEach(async () => {
    for (const thing of opened.splice(0).reverse()) await thing.close()
  })
  return (thing) => {
    opened.push(thing)
    return thing
  }
}

/** A real memcached, and a look into it that goes past the session manager. */
export class StorageUnderTest {
  readonly server: TestMemcached
  private readonly node: StorageNode

  private constructor(server: TestMemcached) {
    this.server = server
    this.node = openNode(parseNodeAddress(`127.0.0.1:${server.port}`))
  }

  static async start(): Promise<StorageUnderTest> {
    return new StorageUnderTest(await startMemcached())
  }

  get address(): string {
    return `127.0.0.1:${this.server.port}`
  }

  /** What is stored for the id: a session, or the tombstone of one. */
  async record(id: string | undefined, prefix = 'holdfast:'): Promise<StoredRecord | undefined> {
    const key = storageKey(id, prefix)
    const stored = await this.node.get(key)
    return stored === undefined ? undefined : decodeRecord(stored.bytes, key)
  }

  async hasSession(id: string | undefined): Promise<boolean> {
    return (await this.record(id))?.kind === 'session'
  }

  /** The stored attributes of a session whose codec is JSON; `undefined`: no session. */
  async attributes(id: string | undefined): Promise<Record<string, unknown> | undefined> {
    const record = await this.record(id)
    if (record?.kind !== 'session') return undefined
    return Object.fromEntries(decodeSection(record.attributes).map(({ name, bytes }) => [name, JSON.parse(`${bytes}`)]))
  }

  /** Replaces what is stored for the id, whatever that is. */
  async overwrite(id: string | undefined, bytes: Buffer): Promise<void> {
    await this.node.put(storageKey(id), bytes, 0, 'any')
  }

  /** Seconds until what is stored for the id expires; -1: never, 0: there is nothing. */
  async timeToLive(id: string | undefined): Promise<number> {
    const answer = await exchange(this.server, `mg ${storageKey(id)} t`, (text) => text.endsWith('\r\n'))
    return Number(/^HD t(-?\d+)/.exec(answer)?.[1] ?? 0)
  }

  /** The keys of everything that is stored, the notes of the servers among them. */
  async keys(): Promise<string[]> {
    const answer = await exchange(this.server, 'lru_crawler metadump all', (text) => text.endsWith('END\r\n'))
    return Array.from(answer.matchAll(/^key=(\S+)/gm), ([, key = '']) => decodeURIComponent(key))
  }

  /** Writes so far, refused ones among them. */
  async writes(): Promise<number> {
    return Number((await this.server.stats()).cmd_set)
  }

  /** Waits for the one value that servers keep on a node for each other, so that later writes are those of sessions. */
  async hasNotes(): Promise<void> {
    await waitFor(async () => (await this.keys()).includes('holdfast:notes'), { message: 'the notes of the servers' })
  }

  async reads(): Promise<number> {
    return Number((await this.server.stats()).cmd_get)
  }

  async close(): Promise<void> {
    await this.node.close()
    await this.server.close()
  }
}

export function storageKey(id: string | undefined, prefix = 'holdfast:'): string {
  const token = parseSessionId(id ?? '')?.token
  if (token === undefined) throw new Error(`${id} is no id`)
  return prefix + tokenDigest(token)
}

/** Waits until the server has found out that a node went down, or came back. */
export async function untilNodeIs(state: 'up' | 'down', server: AppServer, ...ids: string[]): Promise<void> {
  const reached = () =>
    ids.every((id) => server.sessions.stats().nodes.find((node) => (node.id ?? '') === id)?.state === state)
  await waitFor(reached, { message: `${ids.join(', ')} to be ${state}` })
}

/** Waits until nothing is being moved, restored or stored. */
export async function untilSettled(server: AppServer): Promise<void> {
  const settled = () => {
    const { pendingBackups, protecting, unprotectedSessions } = server.sessions.stats()
    return pendingBackups === 0 && unprotectedSessions === 0 && !protecting
  }
  await waitFor(settled, { message: 'everything to be stored' })
}
