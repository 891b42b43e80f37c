import { UnreadableRecordError } from '../errors.js'
import type { SessionState } from '../local/session-state.js'
import type { VersionToken } from '../node/storage-node.js'
import type { WatchedNode } from '../placement/watched-node.js'
import { decodeRecord, emptySection, encodeRecord, type SessionRecord, scratchMemory } from '../record/record-format.js'
import type { Engine } from './engine.js'

/** What stands under a session's key. `record` is undefined when the bytes there can't be read. */
export interface Found {
  node: WatchedNode
  token: VersionToken
  record: SessionRecord | undefined
}

/** How much too early a storage node may drop a value, in milliseconds. */
const STORAGE_GRANULARITY = 1000
/** Shortest life of a tombstone: longer than any request. */
const MIN_TOMBSTONE_LIFE = 5 * 60_000
/** Life of a tombstone of a session that never expires. */
const LONG_TOMBSTONE_LIFE = 24 * 3_600_000

/** Where the records of sessions meet keys and nodes: no decisions here, only reading and building. */
export class SessionStorage {
  private readonly engine: Engine

  constructor(engine: Engine) {
    this.engine = engine
  }

  key(digest: string): string {
    return this.engine.settings.keyPrefix + digest
  }

  /**
   * Reads a record; bytes that are none are reported and come back without one.
   * @throws NodeUnreachableError, NodeRefusedError
   */
  async read(node: WatchedNode, key: string, renewTo?: number): Promise<Found | undefined> {
    const value = await node.get(key, renewTo)
    if (value === undefined) return undefined
    return { node, token: value.token, record: this.decode(value.bytes, key, true) }
  }

  /**
   * Reads a record, and once more when the bytes are none: they may have been garbled on the way, and to believe them
   * at once would log a visitor out.
   */
  async readTwice(node: WatchedNode, key: string, renewTo?: number): Promise<Found | undefined> {
    const value = await node.get(key, renewTo)
    if (value === undefined) return undefined
    const record = this.decode(value.bytes, key, false)
    return record === undefined ? this.read(node, key, renewTo) : { node, token: value.token, record }
  }

  /** The session as it is now; the bytes are good until the next call. */
  encode(state: SessionState, key: string): Buffer {
    const { statistics } = this.engine
    const record: SessionRecord = {
      kind: 'session',
      key,
      version: state.version,
      createdAt: state.createdAt,
      accessedAt: state.accessedAt,
      idleTimeout: state.idleTimeout,
      absoluteDeadline: state.absoluteDeadline,
      owner: this.engine.owner,
      writer: this.engine.writer,
      cookie: state.cookie,
      attributes: state.attributes.section,
    }
    const bytes = encodeRecord(record, scratchMemory)
    statistics.record('recordSize', bytes.length)
    return bytes
  }

  /**
   * Puts a tombstone in the place of whatever is there: its token is never used again, so nothing that it replaces is wanted.
   * @throws NodeUnreachableError, NodeRefusedError
   */
  async writeTombstone(
    node: WatchedNode,
    tombstone: { key: string; version: number; deadline: number },
  ): Promise<void> {
    const { key, version, deadline } = tombstone
    const now = this.engine.clock.now()
    const record: SessionRecord = {
      kind: 'tombstone',
      key,
      version,
      createdAt: now,
      accessedAt: now,
      idleTimeout: 0,
      absoluteDeadline: 0,
      owner: this.engine.owner,
      writer: this.engine.writer,
      cookie: '',
      attributes: emptySection,
    }
    await node.put(key, encodeRecord(record, scratchMemory), deadline, 'any')
  }

  /**
   * When the stored copy is to expire if nobody comes: the idle timeout and, as not every use is told to the storage,
   * the granularity of touches on top; at least a second, as memcached, which counts in whole seconds, may drop a value that much
   * too early. Never beyond the absolute deadline. 0: never.
   */
  deadline(times: { accessedAt: number; idleTimeout: number; absoluteDeadline: number }): number {
    const { idleTimeout, absoluteDeadline, accessedAt } = times
    if (idleTimeout === 0) return absoluteDeadline
    const slack = Math.max(idleTimeout * this.engine.settings.backup.touchAfter, STORAGE_GRANULARITY)
    const idle = Math.ceil(accessedAt + idleTimeout + slack)
    return absoluteDeadline === 0 ? idle : Math.min(idle, absoluteDeadline)
  }

  /**
   * A tombstone must outlive every copy in another server's memory: those live for the idle timeout at most.
   */
  tombstoneDeadline(idleTimeout: number): number {
    const life = idleTimeout === 0 ? LONG_TOMBSTONE_LIFE : Math.max(idleTimeout * 1.5, MIN_TOMBSTONE_LIFE)
    return Math.ceil(this.engine.clock.now() + life)
  }

  private decode(bytes: Buffer, key: string, report: boolean): SessionRecord | undefined {
    const { statistics } = this.engine
    const started = performance.now()
    try {
      const record = decodeRecord(bytes, key)
      statistics.record('deserialization', performance.now() - started)
      return record
    } catch (error) {
      if (!(error instanceof UnreadableRecordError)) throw error
      if (report) this.report(error)
      return undefined
    }
  }

  private report({ reason, message }: UnreadableRecordError): void {
    const { statistics, log, settings } = this.engine
    statistics.count('unreadableRecords')
    log.write(`unreadable ${reason}`, `${message}; treated as no session`, (m) => settings.logger.warn(m))
  }
}
