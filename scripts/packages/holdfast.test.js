const { createSessionManager } = require('holdfast')
const { createManualClock } = require('holdfast/testing')
const { sessionOf } = require('holdfast/express')

test('the package loads, runs and ends', async () => {
  const sessions = createSessionManager({ secret: 'x'.repeat(40), nodes: 'memory://' })
  await sessions.ready()
  expect(sessions.stats().nodes[0].state).toBe('up')
  expect((await sessions.close()).unsaved).toBe(0)
  expect([typeof createManualClock, typeof sessionOf]).toEqual(['function', 'function'])
})
