import type { NodeObserver } from '../../src/placement/watched-node.js'

/** For nodes of which nobody wants to know anything. */
export const ignoreNode: NodeObserver = {
  nodeDown: () => {},
  nodeReadOnly: () => {},
  nodeRefused: () => {},
  nodeUp: () => {},
  nodeReconnected: () => {},
  nodeReplaced: () => {},
  nodeEvicted: () => {},
  replicasMissing: () => {},
}
