import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EndNotStoredError } from '../../src/errors.js'
import type { AppServer } from '../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { type StorageKind, storages } from '../support/storages.js'

const settings = (['sticky', 'non-sticky'] as const).flatMap((mode) =>
  storages.map((kind): [typeof mode, StorageKind] => [mode, kind]),
)

describe.each(settings)('the end of all sessions, %s on %s', (mode, kind) => {
  let cluster: Cluster
  let a: AppServer

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    a = await cluster.server('a', { mode })
  })

  afterEach(() => cluster.close())

  it('holds on the server that was asked, and on one that starts after that; new sessions begin', async () => {
    const visitors = await visitorsOf(a, 4)
    await a.sessions.flush()
    await expect.poll(() => a.sessions.endAllBefore().then(() => attributesAt(a, visitors[0] as never))).toEqual({})
    for (const visitor of visitors) expect(await attributesAt(a, visitor.copy())).toEqual({})
    const b = await cluster.server('b', { mode })
    for (const visitor of visitors) expect(await attributesAt(b, visitor.copy())).toEqual({})
    const [fresh] = await visitorsOf(a, 1)
    await a.sessions.flush()
    expect(await attributesAt(b, fresh as never)).toEqual({ number: 0 })
  })

  it('tells when a node has not taken it, and gives it to that node later', async () => {
    const [visitor] = await visitorsOf(a, 1)
    await a.sessions.flush()
    await cluster.node('n2').kill()
    const isDown = () => a.sessions.stats().nodes.find(({ id }) => id === 'n2')?.state
    await expect.poll(isDown).toBe('down')
    await expect(a.sessions.endAllBefore(Date.now(), { durable: true })).rejects.toThrow(EndNotStoredError)
    expect(await attributesAt(a, (visitor as NonNullable<typeof visitor>).copy())).toEqual({})
    await cluster.node('n2').restart()
    await expect.poll(isDown).toBe('up')
    await a.sessions.endAllBefore(0, { durable: true })
  })

  it('takes no time in the future, and none that is none', async () => {
    for (const time of [Date.now() + 60_000, Number.NaN, -1, new Date('nonsense')]) {
      await expect(a.sessions.endAllBefore(time)).rejects.toThrow(RangeError)
    }
  })
})
