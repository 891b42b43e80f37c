import { type ItemTooLargeError, NodeUnreachableError } from '../../errors.js'
import type { SessionState } from '../../local/session-state.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { decodeSection } from '../../record/attribute-section.js'
import type { SaveResult } from '../../write-behind/save-queue.js'
import type { ManagerContext } from '../context/manager-context.js'

/** Counts and tells what could not be stored. */
export class SaveFailures {
  private readonly context: ManagerContext

  constructor(context: ManagerContext) {
    this.context = context
  }

  /** No node can take the session now. */
  nowhere(state: SessionState): SaveResult {
    return this.givenUp(state, undefined, new NodeUnreachableError('no storage node can be reached'))
  }

  /** All attempts have failed, for now. */
  givenUp(state: SessionState, node: WatchedNode | undefined, error: Error): SaveResult {
    this.context.statistics.count('backupFailures')
    this.report(state, node, error)
    return 'parked'
  }

  tooLarge(state: SessionState, node: WatchedNode, error: ItemTooLargeError): SaveResult {
    state.reject(error)
    this.context.statistics.count('oversizedSessions')
    this.context.statistics.count('backupFailures')
    this.report(state, node, error, largestAttribute(state))
    return 'rejected'
  }

  private report(state: SessionState, node: WatchedNode | undefined, error: Error, attribute?: string): void {
    const { events, log, settings } = this.context
    const blame = attribute === undefined ? {} : { attribute }
    events.emitSession('backupFailed', state, { node: node?.id, error, ...blame })
    const suffix = attribute === undefined ? '' : ` (largest attribute: ${JSON.stringify(attribute)})`
    log.write('backup failed', `session ${state.handle} is not backed up: ${error.message}${suffix}`, (m) =>
      settings.logger.error(m),
    )
  }
}

function largestAttribute(state: SessionState): string | undefined {
  const attributes = decodeSection(state.section)
  return attributes.sort((a, b) => b.bytes.length - a.bytes.length)[0]?.name
}
