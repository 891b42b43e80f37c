import { EventEmitter } from 'node:events'
import type { UnreadableReason } from '../../errors.js'
import type { SessionState } from '../../local/session-state.js'
import type { Logger } from '../../logger.js'

/**
 * What happened to a session. `handle` names it in logs without giving its id away; `id` is there for the
 * application (to close sockets, say) and is not printed or serialised with the event.
 */
export class SessionEvent {
  readonly handle: string
  private readonly idText: string

  constructor(state: NamedSession, details?: object) {
    this.handle = state.handle
    this.idText = state.id
    Object.defineProperty(this, 'idText', { enumerable: false })
    Object.assign(this, details)
  }

  get id(): string {
    return this.idText
  }
}

/** What an event needs to know of its session. */
export type NamedSession = Pick<SessionState, 'handle' | 'id'>

export interface NodeEvent {
  /** Id of the storage node; undefined for the anonymous one. */
  node: string | undefined
  address: string
}

/** A storage node can't be used, or not for writes. */
export interface NodeTroubleEvent extends NodeEvent {
  /** Why: its `message` is a sentence for people. */
  error: Error
}

/** A stored record that can't be read: it counts as no session, and is left where it is. */
export interface UnreadableEvent extends NodeEvent {
  /** The session's name in logs. */
  handle: string
  reason: UnreadableReason
  error: Error
}

/** Every event with what it carries. */
export interface SessionEvents {
  created: SessionEvent
  /** `elsewhere`: another server ended it, and this one has just found out. */
  destroyed: SessionEvent & { elsewhere: boolean }
  expired: SessionEvent
  /** It goes on under another id. `from`: the handle that it had before. */
  renewed: SessionEvent & { from: string }
  /** `from`: route of the server that had it. */
  takenOver: SessionEvent & { from: string; node: string | undefined }
  /** The local copy was let go, as another server owns the session. */
  released: SessionEvent & { owner: string }
  relocated: SessionEvent & { from: string | undefined; to: string | undefined }
  /** The storage node had lost its copy and has it again. */
  restored: SessionEvent & { node: string | undefined }
  /** A session could not be backed up, for now or as it is; `attribute`: the one to blame where that is known. */
  backupFailed: SessionEvent & { node: string | undefined; error: Error; attribute?: string }
  /** An attribute could not be turned into bytes, or back, or merged. The others are not affected. */
  attributeFailed: SessionEvent & { attribute: string; error: Error }
  /** A request has changed a session that had ended meanwhile: the change leads nowhere. */
  changeLost: SessionEvent & { error: Error }
  /** A request waited for the session's lock in vain, or was turned away because too many wait. */
  lockTimeout: SessionEvent
  /**
   * What a request has changed under its lock does not count, as somebody else has changed the same meanwhile: the lock did not hold.
   * `answered`: the answer had begun, so that it could not be made a 503.
   */
  lockLost: SessionEvent & { answered: boolean }
  /** Stored bytes are no record, or one that this server has no means to read; once for each time they are met. */
  unreadable: UnreadableEvent
  nodeDown: NodeTroubleEvent
  /** The node answers reads, and refuses writes for now or as it is set up. */
  nodeReadOnly: NodeTroubleEvent
  /** The node works again: it was down or read-only. */
  nodeUp: NodeEvent
}

export type SessionEventName = keyof SessionEvents
type NodeEventName = 'nodeDown' | 'nodeReadOnly' | 'nodeUp'
export type SessionListener<N extends SessionEventName> = (event: SessionEvents[N]) => void

/** Typed events. A listener that throws is reported and harms nobody. */
export class SessionEventBus {
  private readonly emitter = new EventEmitter()
  private readonly logger: () => Logger

  constructor(logger: () => Logger) {
    this.logger = logger
    this.emitter.setMaxListeners(0)
  }

  on<N extends SessionEventName>(name: N, listener: SessionListener<N>): void {
    this.emitter.on(name, listener)
  }

  once<N extends SessionEventName>(name: N, listener: SessionListener<N>): void {
    this.emitter.once(name, listener)
  }

  off<N extends SessionEventName>(name: N, listener: SessionListener<N>): void {
    this.emitter.off(name, listener)
  }

  emitNode<N extends NodeEventName>(name: N, event: SessionEvents[N]): void {
    this.deliver(name, event)
  }

  emitUnreadable(event: UnreadableEvent): void {
    this.deliver('unreadable', event)
  }

  /** Builds the event only when somebody listens. */
  emitSession<N extends Exclude<SessionEventName, 'unreadable' | NodeEventName>>(
    name: N,
    state: NamedSession,
    details?: Omit<SessionEvents[N], keyof SessionEvent>,
  ): void {
    if (this.emitter.listenerCount(name) > 0) this.deliver(name, new SessionEvent(state, details))
  }

  private deliver(name: string, event: unknown): void {
    for (const listener of this.emitter.rawListeners(name)) {
      try {
        const result: unknown = listener.call(this.emitter, event)
        if (result instanceof Promise) result.catch((error) => this.report(name, error))
      } catch (error) {
        this.report(name, error)
      }
    }
  }

  private report(name: string, error: unknown): void {
    this.logger().error(`a listener of the event ${JSON.stringify(name)} threw: ${String(error)}`)
  }
}
