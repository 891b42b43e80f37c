import type { WatchedNode } from '../../placement/watched-node.js'
import type { ManagerContext } from '../context/manager-context.js'

/**
 * A copy that should still be on its node is not there. Of a node that has lost what it had altogether, that is known already, or will be
 * when the look at it that is under way is over.
 */
export async function noteEarlyLoss(context: ManagerContext, node: WatchedNode, era: number): Promise<void> {
  const { statistics, log, settings, notes } = context
  await notes.settled()
  if (node.state !== 'up' || node.returnedRecently() || notes.isDoubtful(era, node)) return
  statistics.count('earlyLosses')
  const details = { node: node.name, address: node.address }
  const text = `storage node ${node.name} (${node.address}) has lost a session before its time, although it was up: it may be short of memory, or somebody removes keys there`
  log.write(`early loss ${node.address}`, text, (m) => settings.logger.warn(m, details))
}
