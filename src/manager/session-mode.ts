import type { CopyIndex } from '../local/copy-index.js'
import type { SessionState } from '../local/session-state.js'
import type { WatchedNode } from '../placement/watched-node.js'
import type { AttributeSection } from '../record/attribute-section.js'
import type { SessionId } from '../session-id/session-id.js'
import type { SaveQueue, SaveResult } from '../write-behind/save-queue.js'
import type { SessionContent } from './content/session-content.js'
import type { SessionMerger } from './content/session-merger.js'
import type { ManagerContext } from './context/manager-context.js'
import type { NodeSet } from './node-set.js'
import type { Protector } from './stored/protector.js'
import type { RecordStore } from './stored/record-store.js'
import type { SessionEnding } from './stored/session-ending.js'
import type { SessionLines } from './stored/session-lines.js'
import type { SessionRenewal } from './stored/session-renewal.js'

/** The parts of a manager that both modes work with. */
export interface ManagerServices {
  readonly context: ManagerContext
  readonly storage: RecordStore
  readonly lines: SessionLines
  readonly content: SessionContent
  readonly merger: SessionMerger
  readonly queue: SaveQueue
  readonly protector: Protector
  readonly ending: SessionEnding
  readonly renewal: SessionRenewal
  readonly nodes: NodeSet
  /** Resolves when what is pending for the session has been stored or given up. Never rejects. */
  stored(state: SessionState): Promise<boolean>
}

export type Opened = SessionState | undefined | Promise<SessionState | undefined>

/** How sessions are found, used and ended. */
export interface SessionAccess {
  /** What new ids say of the server. */
  readonly route: string | undefined
  /** Sessions that this server holds, for `maxActiveSessions`. */
  readonly held: number
  /**
   * The session that an id leads to; see `SessionManager.open`.
   * @throws StorageUnavailableError
   */
  open(id: SessionId, fresh?: boolean): Opened
  /** @throws StorageUnavailableError */
  openShared(token: string): Promise<SessionState | undefined>
  /** Whether a new session can begin. @throws StorageUnavailableError */
  checkAdmission(): void
  /** A request uses the session for the first time. @returns the state that all requests here share. */
  use(state: SessionState): SessionState
  /** Counts as a use now; the session is live and has not expired. */
  touch(state: SessionState): void
  /** No request works with the session any more. */
  becameIdle(state: SessionState): void
  /** The idle or absolute timeout is over, as far as this server knows. */
  expired(state: SessionState): void
  /** Fetches what the storage has, if that is newer. @throws SessionGoneError, StorageUnavailableError */
  reload(state: SessionState): Promise<SessionState>
  /** See `SessionManager.refresh`. */
  refresh(state: SessionState): Promise<SessionState>
  /** See `SessionManager.destroy`. */
  destroy(state: SessionState, isReplaced?: boolean): Promise<boolean>
  /** See `SessionManager.replace`. */
  replace(state: SessionState): Promise<AttributeSection | undefined>
  /** Ends a session everywhere as if its time were over. */
  expireEarly(state: SessionState): Promise<void>
}

/** How sessions come to the storage. */
export interface SessionWriter {
  /** Whether a change has to be in the storage before the response goes. */
  readonly storesFirst: boolean
  /** Milliseconds that a response waits for that at most. */
  readonly storeTimeout: number
  /** Whether a save goes on with further copies when the first one is stored. */
  readonly hasFurtherCopies: boolean
  /** One attempt to bring a session to the storage. Never rejects. */
  save(state: SessionState, attempt: number): Promise<SaveResult>
}

/** What follows for sessions from what becomes of their nodes. */
export interface NodeReactions {
  /** Sessions have to leave the node. */
  evacuate(node: WatchedNode): void
  /** The node can be used again. */
  returned(node: WatchedNode): void
  /** The node runs, and has lost what it had. */
  emptied(node: WatchedNode): void
}

/** Where the copies of the sessions are, and whether all are where they should be. */
export interface CopyCare {
  /** What this server remembers of sessions that are in the storage alone; `undefined`: its memory has them all. */
  readonly known: CopyIndex | undefined
  /** Sessions with fewer copies than there should be. */
  readonly underReplicated: number
  /** Work in the background that is not done. */
  readonly isBusy: boolean
  /** Looks at all sessions, and stores those again that are not where they should be; in the background. */
  reprotect(): void
  /** Nodes that sessions are on, as far as this server knows: others that were taken out of the configuration can be closed. */
  nodesInUse(): Set<WatchedNode>
  /** Sessions whose copies are, or belong, on each node, by the node's id. Walks all sessions. */
  sessionsByNode(): ReadonlyMap<WatchedNode, number>
}

/** What sticky and non-sticky mode do differently. */
export interface SessionMode extends SessionAccess, SessionWriter, NodeReactions, CopyCare {
  /** Takes over from the other mode. */
  enter(): void
  /** Ends its background work; it may be entered again. */
  stop(): void
}
