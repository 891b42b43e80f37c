import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { StorageNode } from '../node/storage-node.js'

/** Milliseconds that each step took. */
export interface ProbeResult {
  ping: number
  put: number
  get: number
  delete: number
}

/** Life of the probe's key, should its removal fail. */
const probeLife = 10_000

/**
 * Does to a storage node what sessions will: pings, writes a key that did not exist, reads it back, removes it.
 *
 * @throws {HoldfastError} of the step that failed, or an Error when the node does not give back what was stored.
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
  const removed = await timed(() => node.delete(key))
  return { ping: ping.took, put: put.took, get: get.took, delete: removed.took }
}

async function timed<T>(step: () => Promise<T>): Promise<{ result: T; took: number }> {
  const start = performance.now()
  const result = await step()
  return { result, took: performance.now() - start }
}
