import { afterEach, describe, expect, it } from 'vitest'
import { type AppServer, startAppServer } from '../support/app-server.js'
import { attributesAt } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'

let server: AppServer

afterEach(() => server.close())

describe.each(['sticky', 'non-sticky'] as const)('a genid that gives a text again, %s', (mode) => {
  it('mixes no visitors: the second gets an error that names it, and the first stays', async () => {
    server = await startAppServer({ mode, genid: () => 'the-same' })
    const [ann, bob] = [new Visitor(), new Visitor()]
    await ann.post(server.url, { user: 'ann' })
    const answer = await bob.post(server.url, { user: 'bob' })
    expect([answer.status, answer.body, bob.id]).toEqual([500, expect.stringContaining('genid'), undefined])
    expect(await attributesAt(server, ann)).toEqual({ user: 'ann' })
  })
})
