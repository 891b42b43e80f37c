import { afterAll, beforeAll, expect, vi } from 'vitest'
import { waitFor } from '../../src/testing/wait-for.js'

/*
 * The files that a worker runs share its process and its modules. A file that left either changed would decide how the next
 * ones end: so it fails itself, with what it has left behind.
 */

let before: ReturnType<typeof stateOfProcess>

beforeAll(() => {
  before = stateOfProcess()
})

/* Set up first, so it runs last: after the file has closed what it started. */
afterAll(async () => {
  expect(vi.isFakeTimers(), 'fake timers').toBe(false)
  await waitFor(() => listeningServers() <= before.servers, { message: 'the servers of the file to be closed' })
  expect(stateOfProcess()).toEqual({ ...before, servers: listeningServers() })
})

function stateOfProcess() {
  return {
    environment: { ...process.env },
    folder: process.cwd(),
    listeners: Object.fromEntries(process.eventNames().map((name) => [name, process.listenerCount(name)])),
    servers: listeningServers(),
  }
}

function listeningServers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length
}
