import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import type { SessionMode } from '../../src/manager/session-mode.js'
import { changeSection, covers, latestChange, stampInSection } from '../../src/record/attribute-section.js'
import { decodeRecord, encodeRecord } from '../../src/record/record-format.js'
import { RecordEnvelope } from '../../src/record/transforms/record-envelope.js'
import { waitFor } from '../../src/testing/index.js'
import { startPair, timeToLive } from '../non-sticky/non-sticky-fixture.js'
import { type AppServer, secret } from '../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { endless } from '../support/patience.js'
import { keyOf, storeBytes, storedBytes } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

const hour = 3_600_000
/** Every write is waited for, and no node counts as down, however busy the machine is. */
const patient: Partial<HoldfastOptions> = { operationTimeout: endless, backup: { timeout: endless } }
const encrypted: Partial<HoldfastOptions> = {
  encryption: { keys: [{ id: 'k1', key: randomBytes(32).toString('base64') }] },
}

/** Whether a record has everything that is in a section. */
const coveredBy =
  ({ attributes }: { attributes: string }) =>
  (part: string): boolean =>
    covers(attributes, part)

/** What an operator does who wants all copies to be looked at. */
function reprotect({ sessions }: AppServer): void {
  ;(sessions as unknown as { manager: { currentMode: SessionMode } }).manager.currentMode.reprotect()
}

describe('copies that servers have written apart from each other', () => {
  const form = new RecordEnvelope(parseSettings({ secret, ...encrypted }))
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
  })

  afterEach(() => cluster.close())

  async function stored(node: string, visitor: Visitor): Promise<Buffer> {
    return (await storedBytes(cluster.memcached(node), visitor)) as Buffer
  }

  async function recordOn(node: string, visitor: Visitor) {
    return decodeRecord(await form.unwrap(await stored(node, visitor), keyOf(visitor)), keyOf(visitor))
  }

  /** Another server's copy, changed at the same moment, last written an hour ago; requests that only read have kept it since. */
  async function storeTwin(node: string, visitor: Visitor, number: number): Promise<string> {
    const record = await recordOn(node, visitor)
    const changes = ['number', `only at ${node}`].map((name) => ({ name, codec: 'json', bytes: String(number) }))
    const stamp = { now: latestChange(record.attributes) + 1, process: `proc_${number}`, forgetBefore: 0 }
    const attributes = changeSection(record.attributes, changes, stamp)
    const twin = { ...record, attributes, writer: `writer_${number}`, accessedAt: record.accessedAt - hour }
    await storeBytes(cluster.memcached(node), visitor, await form.wrap(encodeRecord(twin), keyOf(visitor)))
    return attributes
  }

  it('are joined in the form that is configured, and live as long as the session was used', async () => {
    const [a, b] = await startPair(cluster, { ...patient, ...encrypted })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const twins = [await storeTwin('n1', visitor, 7), await storeTwin('n2', visitor, 8)]
    reprotect(a)
    for (const node of ['n1', 'n2']) {
      await waitFor(async () => twins.every(coveredBy(await recordOn(node, visitor))))
      expect(await timeToLive(cluster, node, visitor)).toBeGreaterThan(60)
    }
    expect(await stored('n1', visitor)).toEqual(await stored('n2', visitor))
    expect(stampInSection((await recordOn('n1', visitor)).attributes, 'number')?.process).toBe('proc_8')
    expect(await attributesAt(b, visitor)).toEqual({ number: 8, 'only at n1': 7, 'only at n2': 8 })
    expect(b.sessions.stats().counters.unreadableRecords).toBe(0)
  })
})
