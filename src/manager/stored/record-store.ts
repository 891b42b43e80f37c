import { ItemTooLargeError, NodeRefusedError, type UnreadableReason, UnreadableRecordError } from '../../errors.js'
import type { SessionState, Snapshot, StoredCopy } from '../../local/session-state.js'
import type { Expected, Fence, PutOptions, Renewal, StoredValue } from '../../node/storage-node.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { type AttributeSection, changeSection, emptySection } from '../../record/attribute-section.js'
import { scratchMemory } from '../../record/byte-string.js'
import { decodeRecord, encodeRecord, type SessionRecord, type StoredRecord } from '../../record/record-format.js'
import { lifeChange, type Sequel, sequelChange } from '../../record/session-facts.js'
import type { RecordEnvelope } from '../../record/transforms/record-envelope.js'
import { slackOf } from '../content/session-end.js'
import type { ManagerContext } from '../context/manager-context.js'

/** What stands under a session's key. `record` is undefined when the bytes there can't be read. */
export interface Found {
  node: WatchedNode
  fence: Fence
  record: StoredRecord | undefined
  /** Others may be able to read it: it is in a later format, or under a key that is not known here. So it is left alone. */
  isForeign: boolean
  /** It is encrypted under another key than records are now: written again, it no longer needs that. */
  outdated: boolean
  /** How records are stored now, by which that was judged. */
  form: RecordEnvelope
}

/** Why one server can't read what another one may, beside a key that is not known here. */
const foreignReasons: ReadonlySet<UnreadableReason> = new Set(['format', 'compression'])

/** As in `SessionState.handle`. */
const HANDLE_LENGTH = 12
/** Shortest life of a tombstone: longer than any request. */
const MIN_TOMBSTONE_LIFE = 5 * 60_000
/** Life of a tombstone of a session that never expires. */
const LONG_TOMBSTONE_LIFE = 24 * 3_600_000

/** Milliseconds that the stored life may end before the absolute deadline. */
const ABSOLUTE_SLACK = 1000

/** What is to stand in the place of a session that was ended. */
export interface Tombstone {
  token: string
  key: string
  /** The idle timeout of the session: how long others may have copies follows from it. 0: none. */
  idleTimeout: number
  deadline: number
  /** What came after the session; `undefined`: nothing. */
  sequel: Sequel | undefined
}

/** A session on its way to a node. */
export interface Outgoing extends Snapshot {
  readonly createdAt: number
  /** Good until the next record is encoded. */
  bytes: Buffer
  /** When the stored copy is to expire; 0: never. */
  deadline: number
}

/** Why a session is not written where a record stands that others may be able to read. */
export function foreignRecord({ address }: WatchedNode): NodeRefusedError {
  return new NodeRefusedError(`${address} has a record that this server can't read in its place`)
}

const durably: PutOptions = { durable: true }

/** Where the records of sessions meet keys and nodes: no decisions here, only reading and building. */
export class RecordStore {
  private readonly context: ManagerContext

  constructor(context: ManagerContext) {
    this.context = context
  }

  /** The era of what is compared from now on. */
  get era(): number {
    return this.context.notes.era
  }

  key(digest: string): string {
    return this.context.settings.keyPrefix + digest
  }

  /**
   * Reads a record; bytes that are none are reported and come back without one.
   * @throws NodeUnreachableError, NodeRefusedError
   */
  async read(node: WatchedNode, key: string, renewTo?: number): Promise<Found | undefined> {
    const value = await node.get(key, renewTo)
    return value && this.readValue(node, value, key, renewTo !== undefined)
  }

  /**
   * Reads what stands in a session's place, unless that is still the copy that this server has seen there; renews the life of
   * either. A copy that was judged by other settings of encryption than those of now is read again.
   * @throws NodeUnreachableError, NodeRefusedError
   */
  async verify(
    { node, fence, section, form }: StoredCopy,
    key: string,
    renewTo: number,
  ): Promise<Found | 'unchanged' | undefined> {
    if (section === undefined || form !== this.context.envelope) return this.read(node, key, renewTo)
    const value = await node.verify(key, fence, renewTo)
    return value === 'unchanged' ? value : value && this.readValue(node, value, key, true)
  }

  /** @param renewed the read has set the life of what was found */
  private async readValue(node: WatchedNode, value: StoredValue, key: string, renewed: boolean): Promise<Found> {
    const decoded = this.decode(value.bytes, key, node)
    const record = decoded instanceof Promise ? await decoded : decoded
    if (renewed) this.keepLife(node, record)
    return this.found(node, value, record)
  }

  /**
   * Reads a record, and once more when the bytes are none: they may have been garbled on the way, and to believe them
   * at once would log a visitor out.
   */
  async readTwice(node: WatchedNode, key: string, renewTo?: number): Promise<Found | undefined> {
    const value = await node.get(key, renewTo)
    if (value === undefined) return undefined
    const decoded = this.decode(value.bytes, key)
    const record = decoded instanceof Promise ? await decoded : decoded
    if (record instanceof UnreadableRecordError) return this.read(node, key, renewTo)
    if (renewTo !== undefined) this.keepLife(node, record)
    return this.found(node, value, record)
  }

  /**
   * Reads a record, from this server's memory where the node keeps it there (see `StorageNode.getCached`): only for whoever can
   * do with one that is a little older. Without a promise where the session is in memory.
   */
  readCached(node: WatchedNode, key: string, renewal: Renewal): Found | Promise<Found | undefined> {
    const answer = node.getCached(key, renewal)
    this.context.statistics.count(answer instanceof Promise ? 'nearCacheMisses' : 'nearCacheHits')
    if (answer instanceof Promise) return answer.then((value) => this.decodeCached(node, value, key, renewal))
    const record = this.decode(answer.bytes, key)
    if (record instanceof Promise || record instanceof UnreadableRecordError || record.kind === 'tombstone')
      return this.decodeCached(node, answer, key, renewal)
    return this.found(node, answer, record)
  }

  private async decodeCached(
    node: WatchedNode,
    value: StoredValue | undefined,
    key: string,
    renewal: Renewal,
  ): Promise<Found | undefined> {
    if (value === undefined) return undefined
    const decoded = this.decode(value.bytes, key)
    const record = decoded instanceof Promise ? await decoded : decoded
    if (record instanceof UnreadableRecordError) return this.read(node, key, renewal.to)
    this.keepLife(node, record)
    return this.found(node, value, record)
  }

  /**
   * The session as it is at the call; the bytes are good until the next call. A promise only for a large session that is to be
   * compressed: while it is under way, the session may change, or end.
   * @throws ItemTooLargeError, also as the promise's rejection
   */
  prepare(state: SessionState, key: string): Outgoing | Promise<Outgoing> {
    const deadline = this.deadline(state)
    const { createdAt, accessedAt } = state
    const { section, base, era } = state.send()
    const { writer, envelope: form } = this.context
    const outgoing = (bytes: Buffer): Outgoing => {
      this.checkSize(bytes.length)
      this.context.statistics.record('recordSize', bytes.length)
      return { section, base, era, form, createdAt, bytes, deadline }
    }
    const bytes = this.pack({ kind: 'session', key, createdAt, accessedAt, era, writer, attributes: section })
    return bytes instanceof Promise ? bytes.then(outgoing) : outgoing(bytes)
  }

  /** Any record in its stored form: see `prepare`. */
  pack(record: SessionRecord): Buffer | Promise<Buffer> {
    return this.context.envelope.wrap(encodeRecord(record, scratchMemory), record.key)
  }

  /**
   * Puts a tombstone in the place of whatever is there.
   * @param expected only in the place of that, by whoever takes over what was there
   * @returns false: something else is there
   * @throws NodeUnreachableError, NodeRefusedError
   */
  async writeTombstone(
    node: WatchedNode,
    { key, idleTimeout, deadline, sequel }: Tombstone,
    expected: Expected = 'any',
  ): Promise<boolean> {
    const now = this.context.clock.now()
    const packed = this.pack({
      kind: 'tombstone',
      key,
      createdAt: now,
      accessedAt: now,
      era: 0,
      writer: this.context.writer,
      attributes: this.endOf(idleTimeout, deadline, sequel),
    })
    const bytes = packed instanceof Promise ? await packed : packed
    return (await node.put(key, bytes, deadline, expected, durably)).stored
  }

  /**
   * Removes a copy, as it was seen, whose content is stored on those nodes. Two addresses may lead to one server, as after a change of its
   * name or password: then there is one copy only, which stays.
   * @returns whether there is none left beside those; false: it is not known yet, or somebody has written another one.
   * @throws NodeUnreachableError, NodeRefusedError
   */
  async removeCopy(node: WatchedNode, key: string, fence: Fence, elsewhere: readonly WatchedNode[]): Promise<boolean> {
    const answers = elsewhere.map((other) => this.context.notes.areOne(node, other))
    if (answers.includes('yes')) return true
    if (answers.includes('unknown') || answers.length === 0) return false
    return (await node.delete(key, fence)) !== 'refused'
  }

  /** A session ended while it was being written: what was written goes, unless somebody has replaced it. Never rejects. */
  async takeBack(node: WatchedNode, key: string, fence: Fence): Promise<void> {
    await node.delete(key, fence).catch(() => {})
  }

  /**
   * When the stored copy is to expire if nobody comes: the idle timeout and, as not every use is told to the storage,
   * the granularity of touches on top; at least a second, as memcached, which counts in whole seconds, may drop a value that much
   * too early. Never beyond the absolute deadline. 0: never.
   */
  deadline(times: { accessedAt: number; idleTimeout: number; absoluteDeadline: number }): number {
    const { idleTimeout, absoluteDeadline, accessedAt } = times
    if (idleTimeout === 0) return absoluteDeadline
    const idle = Math.ceil(accessedAt + idleTimeout + slackOf(this.context.settings.backup.touchAfter, idleTimeout))
    return absoluteDeadline === 0 ? idle : Math.min(idle, absoluteDeadline)
  }

  /**
   * How a cached read keeps the session alive. The stored life is longer than the idle timeout by `backup.touchAfter`: half of
   * that may pass before it is renewed. An absolute end does not move, and is only met with the clocks' granularity.
   */
  renewal(times: { accessedAt: number; idleTimeout: number; absoluteDeadline: number }): Renewal {
    const { idleTimeout, absoluteDeadline } = times
    const to = this.deadline(times)
    const reserve =
      idleTimeout === 0 ? Number.POSITIVE_INFINITY : (idleTimeout * this.context.settings.backup.touchAfter) / 2
    return { to, slack: to === absoluteDeadline ? Math.min(reserve, ABSOLUTE_SLACK) : reserve }
  }

  /**
   * A tombstone must outlive every copy in another server's memory: those live for the idle timeout at most.
   */
  tombstoneDeadline(idleTimeout: number): number {
    const life = idleTimeout === 0 ? LONG_TOMBSTONE_LIFE : Math.max(idleTimeout * 1.5, MIN_TOMBSTONE_LIFE)
    return Math.ceil(this.context.clock.now() + life)
  }

  /* A read that renews sets the life of a session, whatever it meets: a tombstone gets its own back, as older copies may live longer. */
  private keepLife(node: WatchedNode, record: StoredRecord | UnreadableRecordError): void {
    if (
      record instanceof UnreadableRecordError ||
      record.kind !== 'tombstone' ||
      record.absoluteDeadline <= this.context.clock.now()
    )
      return
    /* Nobody waits for it: whoever asks is to know at once that the session has ended. */
    node.touch(record.key, record.absoluteDeadline).catch(() => {})
  }

  private isForeign(bytes: Buffer, { reason }: UnreadableRecordError): boolean {
    return foreignReasons.has(reason) || (reason === 'encryption' && this.context.envelope.isUnderUnknownKey(bytes))
  }

  private found(node: WatchedNode, { bytes, fence }: StoredValue, record: StoredRecord | UnreadableRecordError): Found {
    const { envelope: form } = this.context
    if (record instanceof UnreadableRecordError) {
      return { node, fence, record: undefined, isForeign: this.isForeign(bytes, record), outdated: false, form }
    }
    return { node, fence, record, isForeign: false, outdated: form.isOutdated(bytes), form }
  }

  private checkSize(bytes: number): void {
    const { maxSessionBytes } = this.context.settings
    if (bytes <= maxSessionBytes) return
    throw new ItemTooLargeError(`its ${bytes} bytes are too large for maxSessionBytes, which is ${maxSessionBytes}`)
  }

  /* A tombstone tells its own end, how long the session could be idle, and what came after it. */
  private endOf(idleTimeout: number, absoluteDeadline: number, sequel: Sequel | undefined): AttributeSection {
    const changes = [
      lifeChange({ idleTimeout, absoluteDeadline }),
      ...(sequel === undefined ? [] : [sequelChange(sequel)]),
    ]
    return changeSection(emptySection, changes, this.context.stamp(idleTimeout))
  }

  /** How a session is written: whether replicas have to have it. */
  putOptions(): PutOptions | undefined {
    const { wait, backup, mode } = this.context.settings
    const waits = wait?.for === 'synchronous' && (backup.mode === 'sync' || mode === 'non-sticky')
    return waits ? durably : undefined
  }

  /** @param node whom to name in the report; without, nothing is reported. */
  private decode(bytes: Buffer, key: string, node?: WatchedNode) {
    const started = this.context.clock.monotonic()
    try {
      const plain = this.context.envelope.unwrap(bytes, key)
      return plain instanceof Promise
        ? this.decodeLater(plain, key, started, node)
        : this.decodePlain(plain, key, started)
    } catch (error) {
      return this.noRecord(error, key, node)
    }
  }

  private async decodeLater(plain: Promise<Buffer>, key: string, started: number, node: WatchedNode | undefined) {
    try {
      return this.decodePlain(await plain, key, started)
    } catch (error) {
      return this.noRecord(error, key, node)
    }
  }

  private decodePlain(plain: Buffer, key: string, started: number): StoredRecord {
    const record = decodeRecord(plain, key)
    this.context.statistics.record('deserialization', this.context.clock.monotonic() - started)
    return record
  }

  private noRecord(error: unknown, key: string, node: WatchedNode | undefined): UnreadableRecordError {
    if (!(error instanceof UnreadableRecordError)) throw error
    if (node !== undefined) this.report(error, key, node)
    return error
  }

  private report(error: UnreadableRecordError, key: string, node: WatchedNode): void {
    const { statistics, log, settings, events } = this.context
    const { reason, message } = error
    const handle = key.slice(settings.keyPrefix.length, settings.keyPrefix.length + HANDLE_LENGTH)
    statistics.count('unreadableRecords')
    events.emitUnreadable({ handle, reason, error, node: node.id, address: node.address })
    log.write('unreadable', `session ${handle}: ${message}; treated as no session`, (m) => settings.logger.warn(m))
  }
}
