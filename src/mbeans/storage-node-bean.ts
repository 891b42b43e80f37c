import { attribute, defineMBean, type MBean, operation } from '../admin/mbean/mbean.js'
import { boolean, double, illegalArgument, long, map, nothing, string } from '../admin/mbean/value-type.js'
import type { WatchedNode } from '../placement/watched-node.js'
import { quantile } from '../statistics/histogram.js'
import type { Managed } from './managed.js'
import { printHistogram } from './print-histogram.js'
import type { SessionTotals } from './session-totals.js'

/** One storage node as this server sees it. */
export function storageNodeBean(managed: Managed, node: WatchedNode, census: SessionTotals): MBean {
  return defineMBean({
    name: `holdfast:type=StorageNode,id=${node.name}`,
    description: 'A storage node, as this server sees it.',
    attributes: { ...place(node), ...health(node), ...server(node), ...work(node, census) },
    operations: nodeOperations(managed, node),
  })
}

function place(node: WatchedNode) {
  return {
    Id: attribute({ type: string(), description: 'Its id; default: it has none.', read: () => node.name }),
    Address: attribute({ type: string(), description: 'Its address, without credentials.', read: () => node.address }),
    Connections: attribute({
      type: long(),
      description: 'Connections that were made to it since the start.',
      read: () => node.connections,
    }),
    Incarnation: attribute({
      type: string(),
      description: 'What tells one run of the server behind the address from another; empty: it is not known.',
      read: () => node.incarnation ?? '',
    }),
  }
}

function health(node: WatchedNode) {
  return {
    State: attribute({
      type: string(),
      description:
        'up; suspect: an operation failed and a probe is under way; read-only: it answers reads and takes no writes; down.',
      read: () => node.state,
    }),
    Draining: attribute({
      type: boolean(),
      description: 'Whether sessions leave it: drained by an operator, or taken out of the configuration.',
      read: () => node.draining,
    }),
    DownFor: attribute({
      type: long(),
      description: 'Milliseconds since it went down; 0: it is not down.',
      read: () => Math.round(node.status().downFor),
    }),
    LastError: attribute({
      type: string(),
      description: 'Why it was last down or read-only, or what it last refused; empty: nothing was ever wrong with it.',
      read: () => node.lastError?.message ?? '',
    }),
    LastErrorAt: attribute({
      type: string(),
      description: 'When that was, by the clock of this server; empty: never.',
      read: () => (node.lastError === undefined ? '' : new Date(node.lastError.at).toISOString()),
    }),
  }
}

function server(node: WatchedNode) {
  return {
    Server: attribute({
      type: string(),
      description: 'What runs there, with its version; empty: it does not tell.',
      read: () => node.server?.server ?? '',
    }),
    MemoryUsed: attribute({
      type: long(),
      description:
        'Bytes that the server uses for what it keeps, as of its last answer (every 15 seconds); -1: it does not tell.',
      read: () => node.server?.usedBytes ?? -1,
    }),
    MemoryLimit: attribute({
      type: long(),
      description: 'Bytes that it may use; 0: no limit, -1: it does not tell.',
      read: () => node.server?.maxBytes ?? -1,
    }),
    Evictions: attribute({
      type: long(),
      description: 'Values that it gave up before their time for want of room, since its start; -1: it does not tell.',
      read: () => node.server?.evictions ?? -1,
    }),
    EvictionPolicy: attribute({
      type: string(),
      description: 'What it does when there is no room; noeviction: it refuses writes. Empty: it does not tell.',
      read: () => node.server?.evictionPolicy ?? '',
    }),
  }
}

function work(node: WatchedNode, census: SessionTotals) {
  return {
    Sessions: attribute({
      type: long(),
      description: 'Sessions with a copy there, as far as this server knows.',
      read: () => census.current.byNode.get(node) ?? 0,
    }),
    Operations: attribute({
      type: long(),
      description: 'Operations that this server has sent to it.',
      read: () => node.status().operations,
    }),
    Errors: attribute({
      type: long(),
      description: 'Operations that failed.',
      read: () => node.status().errors,
    }),
    LatencyAverage: attribute({
      type: double(),
      description: 'Average time of an operation in milliseconds.',
      read: () => node.status().latency.average,
    }),
    LatencyP95: attribute({
      type: double(),
      description: 'Milliseconds within which 95 % of the operations were answered, estimated from the histogram.',
      read: () => quantile(node.status().latency, 0.95),
    }),
    Latency: attribute({
      type: map(),
      description: 'Histogram of the time of operations in milliseconds.',
      read: () => printHistogram(node.status().latency),
    }),
  }
}

function nodeOperations({ manager: { nodes } }: Managed, node: WatchedNode) {
  return {
    drain: operation({
      description:
        "This server's sessions leave the node and no new ones come to it; it stays configured until it is undrained.",
      returns: nothing(),
      invoke: () => {
        if (!nodes.drain(node)) throw illegalArgument('no other node can take its sessions')
      },
    }),
    undrain: operation({
      description: 'Sessions may come to the node again.',
      returns: nothing(),
      invoke: () => {
        if (!nodes.undrain(node)) throw illegalArgument('the node is not in the configuration any more')
      },
    }),
    probe: operation({
      description: 'Finds out now whether the node works. Answers its state.',
      returns: string(),
      right: 'viewer',
      invoke: async () => {
        await node.check()
        return node.state
      },
    }),
  }
}
