import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppServer } from '../support/app-server.js'
import { attributesAt, Cluster, quick, visitorsOf } from '../support/cluster.js'
import type { Detour } from '../support/detour.js'
import { modesAndStorages, storage } from '../support/storages.js'
import { keyOf, storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

describe.each(modesAndStorages)('the end of a session, %s on %s', (mode, kind) => {
  let cluster: Cluster
  let detours: Record<string, Detour>
  let a: AppServer
  let visitor: Visitor

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    detours = { n1: await cluster.detour('n1'), n2: await cluster.detour('n2') }
    a = await cluster.server('a', { ...quick, mode, nodes: cluster.nodes(detours) })
    visitor = (await visitorsOf(a, 1))[0] as Visitor
    await a.sessions.flush()
  })

  afterEach(() => cluster.close())

  const nodeOf = (id: string) => cluster.node(id)

  async function endOn(id: string): Promise<string | undefined> {
    return (await storedSession(nodeOf(id), visitor))?.kind
  }

  const timeToLive = (id: string) => storage[kind].secondsToLive(nodeOf(id), keyOf(visitor))

  it('is on every node when destroy() resolves, wherever the copy was', async () => {
    const old = visitor.copy()
    await a.sessions.destroy(old.id as string)
    expect([await endOn('n1'), await endOn('n2')]).toEqual(['tombstone', 'tombstone'])
  })

  it('is written by close() to a node that was away, and told when it could not be', async () => {
    const away = visitor.node as string
    const detour = detours[away] as Detour
    detour.hang()
    await a.sessions.destroy(visitor.id as string)
    expect(await a.sessions.flush()).toMatchObject({ unsaved: 0, unwrittenEnds: 1 })
    detour.heal()
    expect(await a.sessions.close()).toMatchObject({ unwrittenEnds: 0 })
    expect(await endOn(away)).toBe('tombstone')
    const b = await cluster.server('b', { mode })
    expect(await attributesAt(b, visitor.copy())).toEqual({})
  })

  it('is as long as it was when somebody comes with the old cookie', async () => {
    const node = visitor.node as string
    await a.sessions.destroy(visitor.id as string)
    const before = await timeToLive(node)
    const impatient = await cluster.server('b', { mode, idleTimeout: '5s' })
    expect(await attributesAt(impatient, visitor.copy())).toEqual({})
    expect(await timeToLive(node)).toBeGreaterThan(before - 30)
  })
})
