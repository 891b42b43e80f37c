import { StorageUnavailableError } from '../../errors.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { latestChange } from '../../record/attribute-section.js'
import type { StoredRecord } from '../../record/record-format.js'
import type { ManagerContext } from '../context/manager-context.js'
import type { Found, RecordStore } from './record-store.js'

export type FoundSession = Found & { record: StoredRecord }

/** What all nodes together know of a session. */
export interface LookUp {
  /** The one that was changed last comes first. Each may have changes that the others have not. */
  sessions: FoundSession[]
  /** The session was ended for good. */
  tombstone: StoredRecord | undefined
  /** Nodes that gave no answer. */
  failed: WatchedNode[]
  /** The era when they were asked. */
  era: number
}

type Answer = PromiseSettledResult<Found | undefined>

/**
 * Asks several nodes at once for a session, as an older copy may have stayed behind on one that was away.
 * @param isCertain whether there is nothing newer than this one: then nodes are not waited for that take far longer than usual, and count as
 * failed. Default: all are waited for.
 * @throws StorageUnavailableError when none of them answers.
 */
export async function lookUp(
  storage: RecordStore,
  nodes: readonly WatchedNode[],
  key: string,
  isCertain?: (found: FoundSession) => boolean,
): Promise<LookUp> {
  if (nodes.length === 0) throw new StorageUnavailableError()
  const { era } = storage
  const reads = nodes.map((node) => storage.readTwice(node, key))
  const answers =
    (isCertain && (await inTime(nodes, reads, (found) => isTombstone(found) || isCertain(found)))) ??
    (await Promise.allSettled(reads))
  const result: LookUp = { sessions: [], tombstone: undefined, failed: [], era }
  answers.forEach((answer, i) => {
    if (answer?.status !== 'fulfilled') result.failed.push(nodes[i] as WatchedNode)
    else if (answer.value?.record?.kind === 'tombstone') result.tombstone = answer.value.record
    else if (answer.value?.record !== undefined) result.sessions.push(answer.value as FoundSession)
  })
  if (result.failed.length === nodes.length) {
    throw new StorageUnavailableError({ cause: (answers[0] as PromiseRejectedResult).reason })
  }
  result.sessions.sort(latestFirst)
  return result
}

/** A session was found nowhere, and its id names a storage node that other servers use and this one does not have: see `ClusterNotes.isUsedElsewhere`. */
export function unknownNode({ log, settings }: ManagerContext, name: string | undefined): StorageUnavailableError {
  const text = `ids name storage node ${name}, which other servers use and this server's configuration does not have; those that are found nowhere else get 503`
  log.write(`unknown node ${name}`, text, (message) => settings.logger.warn(message, { node: name }))
  return new StorageUnavailableError({ cause: new Error(`storage node ${name} is not in the configuration`) })
}

/** What the nodes answer that are not late. @returns `undefined`: the others have to be waited for, as nothing of it will do. */
async function inTime(
  nodes: readonly WatchedNode[],
  reads: readonly Promise<Found | undefined>[],
  willDo: (found: FoundSession) => boolean,
): Promise<(Answer | undefined)[] | undefined> {
  const answers: (Answer | undefined)[] = reads.map(() => undefined)
  const settled = reads.map(async (read, i) => {
    const [answer] = await Promise.allSettled([read])
    answers[i] = answer
  })
  await Promise.all(nodes.map((node, i) => node.isLate(settled[i] as Promise<void>)))
  const known = [...answers]
  const isEnough = known.some(
    (answer) =>
      answer?.status === 'fulfilled' && answer.value?.record !== undefined && willDo(answer.value as FoundSession),
  )
  return isEnough ? known : undefined
}

function isTombstone({ record }: FoundSession): boolean {
  return record.kind === 'tombstone'
}

export function latestFirst(a: FoundSession, b: FoundSession): number {
  const order = latestChange(b.record.attributes) - latestChange(a.record.attributes)
  return order || b.record.accessedAt - a.record.accessedAt
}
