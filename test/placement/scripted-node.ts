import { NodeUnreachableError } from '../../src/errors.js'
import type { ServerFigures } from '../../src/node/server-figures.js'
import type { PutResult, ReplicaShortfall, StorageNode, StoredValue } from '../../src/node/storage-node.js'

/** A storage node that answers as it is told and counts what it is asked. */
export class ScriptedNode implements StorageNode {
  readonly id: string | undefined
  readonly address: string
  readonly maxValueBytes = 1_000_000
  connections = 0
  incarnation: string | undefined
  /** Thrown by every operation while it is set. */
  failure: Error | undefined
  /** Told by every write while it is set. */
  shortfall: ReplicaShortfall | undefined
  readonly calls: string[] = []
  /** `undefined`: it tells nothing of itself. */
  evictions: number | undefined = 0
  figuresRead = 0
  closed = false

  constructor(id: string | undefined) {
    this.id = id
    this.address = `scripted://${id ?? ''}`
  }

  breakDown(): void {
    this.failure = new NodeUnreachableError('no answer')
  }

  repair(): void {
    this.failure = undefined
  }

  async get(): Promise<StoredValue | undefined> {
    this.answer('get')
    return undefined
  }

  async verify(): Promise<'unchanged'> {
    this.answer('verify')
    return 'unchanged'
  }

  async put(): Promise<PutResult> {
    this.answer('put')
    return { stored: true, fence: {}, ...(this.shortfall && { shortfall: this.shortfall }) }
  }

  async touch(): Promise<boolean> {
    this.answer('touch')
    return true
  }

  async delete(): Promise<'deleted' | 'absent' | 'refused'> {
    this.answer('delete')
    return 'deleted'
  }

  async ping(): Promise<void> {
    this.answer('ping')
  }

  async figures(): Promise<ServerFigures> {
    this.figuresRead++
    if (this.evictions === undefined) throw new NodeUnreachableError('tells nothing')
    return { server: 'scripted', evictions: this.evictions, missing: [] }
  }

  async close(): Promise<void> {
    this.closed = true
  }

  count(call: string): number {
    return this.calls.filter((name) => name === call).length
  }

  private answer(call: string): void {
    this.calls.push(call)
    if (this.connections === 0) this.connections = 1
    if (this.failure !== undefined) throw this.failure
  }
}
