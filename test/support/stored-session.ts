import type { StorageNode } from '../../src/node/storage-node.js'
import { latestChange } from '../../src/record/attribute-section.js'
import { jsonCodec } from '../../src/record/codecs/json.js'
import { decodeRecord, type SessionRecord } from '../../src/record/record-format.js'
import { type Attribute, Attributes, decodedValue } from '../../src/session/attributes.js'
import { tokenDigest } from '../../src/session-id/session-id.js'
import { type Place, type StorageKind, storage } from './storages.js'
import type { Visitor } from './visitor.js'

/** A storage node; memcached, unless it says otherwise. */
type Stored = Place & { kind?: StorageKind }

/** A session as a storage node has it. */
export interface StoredSession {
  kind: SessionRecord['kind']
  /** When it was last changed, by the stamps. */
  changedAt: number
  owner: string
  attributes: Record<string, unknown>
}

/** The storage key of a visitor's session. */
export function keyOf(visitor: Visitor): string {
  return `holdfast:${tokenDigest(visitor.token ?? '')}`
}

/** The part of the key that reports name a session by. */
export function handleOf(visitor: Visitor): string {
  return tokenDigest(visitor.token ?? '').slice(0, 12)
}

/** What one storage node has of a visitor's session; `undefined`: nothing. */
export function storedSession(place: Stored, visitor: Visitor): Promise<StoredSession | undefined> {
  return withNode(place, async (node) => {
    const value = await node.get(keyOf(visitor))
    return value && readStored(value.bytes, visitor)
  })
}

/** The session in what stands under a visitor's key. */
export function readStored(bytes: Buffer, visitor: Visitor): StoredSession {
  const { kind, owner, attributes } = decodeRecord(bytes, keyOf(visitor))
  return { kind, changedAt: latestChange(attributes), owner, attributes: readAttributes(attributes) }
}

export function storedBytes(place: Stored, visitor: Visitor): Promise<Buffer | undefined> {
  return withNode(place, async (node) => (await node.get(keyOf(visitor)))?.bytes)
}

/** Lets a storage node lose a visitor's session, and nothing else. */
export async function loseStored(place: Stored, visitor: Visitor): Promise<void> {
  await withNode(place, (node) => node.delete(keyOf(visitor)))
}

/** Puts bytes in the place of a visitor's session. */
export async function storeBytes(place: Stored, visitor: Visitor, bytes: Uint8Array): Promise<void> {
  await withNode(place, (node) => node.put(keyOf(visitor), bytes, 0, 'any'))
}

async function withNode<T>(place: Stored, work: (node: StorageNode) => Promise<T>): Promise<T> {
  const node = storage[place.kind ?? 'memcached'].open(place)
  try {
    return await work(node)
  } finally {
    await node.close()
  }
}

const rules = { codec: jsonCodec, codecs: new Map([[jsonCodec.id, jsonCodec]]), filter: undefined }

function readAttributes(section: SessionRecord['attributes']): Record<string, unknown> {
  const attributes = new Attributes(section)
  return Object.fromEntries(
    attributes.names().map((name) => [name, decodedValue(attributes.get(name) as Attribute, rules)]),
  )
}
