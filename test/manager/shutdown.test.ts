import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record, visitorsOf } from '../support/cluster.js'
import { modesAndStorages } from '../support/storages.js'
import type { Visitor } from '../support/visitor.js'

describe.each(modesAndStorages)('a shutdown, %s on %s', (mode, kind) => {
  let cluster: Cluster
  let gate: Gate
  let a: AppServer
  let visitor: Visitor
  let failure: unknown

  const routes = (app: Express) => {
    app.post('/late', async (req, res) => {
      await gate.pass()
      sessionOf(req).late = 'of the request'
      res.json({})
    })
    app.get('/stream', async (req, res) => {
      sessionOf(req).begun = { steps: 1 }
      res.write('begun')
      await gate.pass()
      ;(sessionOf(req).begun as { steps: number }).steps++
      try {
        sessionOf(req).ended = 'too late'
      } catch (error) {
        failure = error
      }
      res.end()
    })
  }

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    gate = new Gate()
    failure = undefined
    a = await cluster.server('a', { mode }, routes)
    visitor = (await visitorsOf(a, 1))[0] as Visitor
  })

  afterEach(() => cluster.close())

  it('waits for requests that are under way, and stores what they change', async () => {
    const late = visitor.copy().post(`${a.url}/late`, {})
    await waitFor(() => gate.waiting === 1)
    const closing = a.sessions.close()
    gate.open()
    expect((await late).status).toBe(200)
    expect(await closing).toMatchObject({ unsaved: 0, openRequests: 0 })
    const b = await cluster.server('b', { mode })
    expect(await attributesAt(b, visitor.copy())).toEqual({ number: 0, late: 'of the request' })
  })

  it('tells of those that it could not wait for, and refuses what they change afterwards', async () => {
    const failed = record(a.sessions, 'backupFailed')
    const stream = visitor.copy().get(`${a.url}/stream`)
    await waitFor(() => gate.waiting === 1)
    expect(await a.sessions.close({ timeout: 200 })).toMatchObject({ unsaved: 0, openRequests: 1 })
    gate.open()
    await stream
    expect(failure).toMatchObject({ code: 'HOLDFAST_CLOSED', status: 503 })
    expect(failed.map(({ error }) => error)).toEqual([expect.objectContaining({ code: 'HOLDFAST_CLOSED' })])
    const b = await cluster.server('b', { mode })
    expect(await attributesAt(b, visitor.copy())).toEqual({ number: 0, begun: { steps: 1 } })
  })
})
