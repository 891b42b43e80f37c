import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { StorageNode } from '../node/storage-node.js'

/** Milliseconds that each step took. */
export interface ProbeResult {
  ping: number
  put: number
  get: number
  /** A write that replaces exactly what was read. */
  fence: number
  /** A read that prolongs the life. */
  renew: number
  delete: number
}

/** Life of the probe's key, should its removal fail. */
const probeLife = 10_000

/**
 * Does to a storage node what sessions will: pings, writes a key that did not exist, reads it back, replaces what was read, finds that
 * what was replaced can't be replaced again, renews it, removes it.
 *
 * @throws {HoldfastError} of the step that failed, or an Error when the node does not do what it says.
 */
export async function probeNode(node: StorageNode, keyPrefix: string): Promise<ProbeResult> {
  const key = `${keyPrefix}check:${randomBytes(12).toString('hex')}`
  const bytes = randomBytes(64)
  const ping = await timed(() => node.ping())
  const put = await timed(() => node.put(key, bytes, Date.now() + probeLife, 'absent'))
  if (!put.result.stored) throw new Error('the node refused to store a key that it does not have')
  const get = await timed(() => node.get(key))
  if (get.result === undefined || !get.result.bytes.equals(bytes)) {
    throw new Error('the node did not give back what was stored a moment ago')
  }
  const read = get.result.fence
  const deadline = Date.now() + probeLife
  const next = randomBytes(64)
  const fence = await timed(() => node.put(key, next, deadline, read))
  if (!fence.result.stored) throw new Error('the node refused to replace what was read a moment ago')
  const late = await node.put(key, bytes, deadline, read)
  if (late.stored) throw new Error('the node does not fence: it replaced a value that was not there any more')
  const renewed = await timed(() => node.get(key, deadline))
  if (renewed.result === undefined || !renewed.result.bytes.equals(next)) {
    throw new Error('the node did not give back what was stored a moment ago')
  }
  const removed = await timed(() => node.delete(key, renewed.result?.fence))
  if (removed.result !== 'deleted') throw new Error('the node did not remove what was read a moment ago')
  const took = { ping: ping.took, put: put.took, get: get.took, fence: fence.took }
  return { ...took, renew: renewed.took, delete: removed.took }
}

async function timed<T>(step: () => Promise<T>): Promise<{ result: T; took: number }> {
  const start = performance.now()
  const result = await step()
  return { result, took: performance.now() - start }
}
