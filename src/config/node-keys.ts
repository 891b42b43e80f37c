import { z } from 'zod'
import type { ConfigProblem } from '../errors.js'
import { type NodeAddress, parseNodeList } from '../node/address/node-address.js'
import { describeSize, key, keyNotes, readCount, within } from './key.js'
import { parseSize } from './size.js'

const minMemory = 1_000_000
const maxMemory = 64 * 1024 ** 3
const defaultMemory = 64_000_000

const endpoint = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253}):(\d{1,5})$/
const nodeId = /^[A-Za-z0-9_-]+$/

/** The addresses' own parser knows the exact place of a problem: its problems travel as they are. */
const nodes = z.unknown().transform((value, context): NodeAddress[] => {
  const result = parseNodeList(value, 'nodes')
  for (const problem of result.problems) {
    context.issues.push({ code: 'custom', message: problem.expected, input: value, params: { problem } })
  }
  return result.nodes
})

/** The problem that the addresses' parser reported, if the issue carries one. */
export function carriedProblem(params: Record<string, unknown> | undefined): ConfigProblem | undefined {
  return params?.problem as ConfigProblem | undefined
}

function readIds(value: unknown): string[] | undefined {
  const ids: unknown = typeof value === 'string' ? value.split(/[\s,]+/).filter((id) => id !== '') : value
  if (!Array.isArray(ids)) return undefined
  return ids.every((id) => typeof id === 'string' && nodeId.test(id)) ? [...new Set(ids as string[])] : undefined
}

/** The storage node that this process carries. */
export interface Embedded {
  host: string
  port: number
  memoryLimit: number
}

function readEmbedded(value: unknown): Embedded | undefined {
  if (typeof value === 'string') return readEndpoint(value, defaultMemory)
  if (typeof value !== 'object' || value === null) return undefined
  const { host, port, memoryLimit = defaultMemory, ...unknown } = value as Record<string, unknown>
  const limit = within(parseSize(memoryLimit), minMemory, maxMemory)
  if (limit === undefined || typeof host !== 'string' || Object.keys(unknown).length > 0) return undefined
  return readEndpoint(`${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`, limit)
}

function readEndpoint(text: string, memoryLimit: number): Embedded | undefined {
  const match = endpoint.exec(text)
  const port = readCount(match?.[2], 1, 65_535)
  if (match?.[1] === undefined || port === undefined) return undefined
  return { host: match[1].replace(/^\[|\]$/g, ''), port, memoryLimit }
}

const embedForms = `"host:port", or { host, port, memoryLimit } with ${describeSize(minMemory, maxMemory)}`

export const nodeKeys = {
  nodes: nodes.prefault('memory://').register(keyNotes, {
    type: 'text or list',
    default: '`memory://`',
    meaning: 'The storage nodes that hold the backups, see [Storage nodes](#storage-nodes).',
  }),
  failoverNodes: key('ids of nodes, as a list or a text such as "n1 n2"', readIds).prefault([]).register(keyNotes, {
    type: 'list of ids, or a text with spaces or commas',
    default: 'none',
    meaning: 'Nodes that are used only while no other node is up. At least one node must remain that is none of them.',
  }),
  embed: key(embedForms, readEmbedded).optional().register(keyNotes, {
    type: '`host:port`, or `{ host, port, memoryLimit }`',
    default: 'none; memory limit `64MB`',
    meaning:
      'A storage node that this process carries, so that two servers can back each other up with no other process. The nodes of all servers stand in `nodes` as `embedded://host:port`. It knows no passwords: bind it to a private address. For production, memcached is the better place.',
  }),
}
