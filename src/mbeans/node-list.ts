import { isDeepStrictEqual } from 'node:util'
import { illegalArgument } from '../admin/mbean/value-type.js'
import { redacted } from '../config/redaction.js'
import { type NodeAddress, parseNodeList } from '../node/address/node-address.js'

/** The storage nodes as the configuration takes them, but for credentials and other hidden parts: those are marked. */
export function printNodeList(addresses: readonly NodeAddress[]): string {
  return addresses.map(printAddress).join(' ')
}

/* What does not read as the same address has hidden parts: written back, it would be another node. */
function printAddress(address: NodeAddress): string {
  const id = address.id === undefined ? '' : `${address.id}:`
  const shown = id + address.label
  const [read] = parseNodeList(shown, 'nodes').nodes
  if (read !== undefined && isDeepStrictEqual({ ...read }, { ...address })) return shown
  if (address.username === undefined && address.password === undefined) return `${shown}?${redacted}`
  return id + address.label.replace('://', `://${redacted}@`)
}

/**
 * A list of nodes that somebody has written.
 * @throws {AdminRequestError} for one that was read before, where credentials are left out.
 */
export function checkNodeList(text: string): string {
  if (!text.includes(redacted)) return text
  throw illegalArgument(
    `${redacted} stands for credentials or options that are not shown: write the whole address, or change the nodes in the configuration`,
  )
}

/** For the audit log: what reads as a list of nodes, without what such a list hides; nothing of what does not. */
export function auditedNodeList(value: unknown): string {
  if (typeof value !== 'string') return '[no list of nodes]'
  const { nodes, problems } = parseNodeList(value, 'nodes')
  return problems.length === 0 ? printNodeList(nodes) : `[no list of nodes: ${value.length} characters]`
}

/** The same for ids: those of nodes that there are. */
export function auditedNodeIds(value: unknown, known: readonly string[]): string {
  if (typeof value !== 'string') return '[no ids of nodes]'
  const ids = value.split(/[\s,]+/).filter((id) => id !== '')
  return ids.map((id) => (known.includes(id) ? id : '[unknown]')).join(' ')
}
