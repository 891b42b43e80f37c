import type { WatchedNode } from '../../placement/watched-node.js'
import type { Managed } from '../managed.js'
import type { SessionTotals } from '../session-totals.js'
import { counter, type Family, gauge, histogram } from './family.js'

/** What each storage node does; the label `node` has the ids of the configuration, and no more. */
export function nodeFamilies({ manager: { context } }: Managed, census: SessionTotals): Family[] {
  /* Of two nodes with the same id, one of which is about to leave, the one that stays is shown. */
  const nodes = (): WatchedNode[] => [
    ...new Map(context.placement.nodes.toReversed().map((node) => [node.name, node])).values(),
  ]
  const each = (value: (node: WatchedNode) => number | boolean) => () =>
    nodes().map((node) => ({ labels: { node: node.name }, value: Number(value(node)) }))
  /* Only of those that tell. */
  const told = (value: (node: WatchedNode) => number | undefined) => () =>
    nodes().flatMap((node) => {
      const figure = value(node)
      return figure === undefined ? [] : [{ labels: { node: node.name }, value: figure }]
    })
  return [
    gauge(
      'holdfast_storage_node_up',
      'whether the node answers',
      each((node) => node.state !== 'down'),
    ),
    gauge(
      'holdfast_storage_node_read_only',
      'whether the node answers reads and takes no writes',
      each((node) => node.state === 'read-only'),
    ),
    gauge(
      'holdfast_storage_node_draining',
      'whether sessions leave the node',
      each((node) => node.draining),
    ),
    gauge(
      'holdfast_storage_node_sessions',
      'sessions with a copy there, as far as this server knows',
      each((node) => census.current.byNode.get(node) ?? 0),
    ),
    counter(
      'holdfast_storage_node_operations_total',
      'operations sent to the node',
      each((node) => node.status().operations),
    ),
    counter(
      'holdfast_storage_node_errors_total',
      'operations that failed',
      each((node) => node.status().errors),
    ),
    counter(
      'holdfast_storage_node_evictions_total',
      'values that the node gave up before their time for want of room, since its start',
      told((node) => node.server?.evictions),
    ),
    gauge(
      'holdfast_storage_node_memory_used_bytes',
      'bytes that the node uses for what it keeps',
      told((node) => node.server?.usedBytes),
    ),
    gauge(
      'holdfast_storage_node_memory_limit_bytes',
      'bytes that the node may use; 0: no limit',
      told((node) => node.server?.maxBytes),
    ),
    histogram('holdfast_storage_node_operation_duration_seconds', 'time of operations that were answered', 0.001, () =>
      nodes().map((node) => ({ labels: { node: node.name }, totals: node.status().latency })),
    ),
  ]
}
