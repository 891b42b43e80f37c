import assert from 'node:assert/strict'
import { ClosedError, ItemTooLargeError } from '../../errors.js'
import type { Fence, StorageNode, StoredValue } from '../../node/storage-node.js'
import { waitFor } from '../wait-for.js'

/** A node on a server that holds nothing, and what the suite needs to drive it. */
export interface OpenedNode {
  node: StorageNode
  /** Moves the node's time, where that can be done; else the suite waits. Milliseconds. */
  advance?(ms: number): void | Promise<void>
  close(): Promise<void>
}

export interface NodeUnderTest {
  open(): Promise<OpenedNode>
  /**
   * What a fence stands for. `'write'` (default): one act of writing. `'content'`: the bytes that were written, so that a
   * value which was removed and written again with the same bytes is the same.
   */
  fences?: 'write' | 'content'
}

/** The two calls of a test runner that the suite makes; those of vitest, mocha and node:test fit. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown
  it(name: string, body: () => Promise<void>): unknown
}

type Body = (node: StorageNode, opened: OpenedNode) => Promise<void>

const minute = 60_000
const granularity = 2000

/** What every storage node must do, whatever server is behind it. Each test opens a node of its own. */
export function storageNodeConformance(name: string, subject: NodeUnderTest, { describe, it }: TestRunner): void {
  const test = (title: string, body: Body): unknown => it(title, () => withNode(subject, body))
  describe(`storage node contract: ${name}`, () => {
    describe('reading and writing', () => defineBasics(test))
    describe('fencing', () => defineFencing(test, subject.fences ?? 'write'))
    describe('removal', () => defineRemoval(test))
    describe('verification', () => defineVerification(test))
    describe('expiry', () => defineExpiry(test))
    describe('limits and end', () => defineLimits(test))
  })
}

async function withNode(subject: NodeUnderTest, body: Body): Promise<void> {
  const opened = await subject.open()
  try {
    await body(opened.node, opened)
  } finally {
    await opened.node.close()
    await opened.close()
  }
}

type Define = (title: string, body: Body) => unknown

function defineBasics(test: Define): void {
  test('a key that was never written is absent', async (node) => {
    assert.equal(await node.get('nothing'), undefined)
  })

  test('what was written is read back byte by byte', async (node) => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    await store(node, 'bytes', every)
    assert.deepEqual((await read(node, 'bytes')).bytes, every)
  })

  test('an empty value is a value', async (node) => {
    await store(node, 'empty', '')
    assert.equal((await read(node, 'empty')).bytes.length, 0)
  })

  test('values of very different sizes keep apart when they are written and read at once', async (node) => {
    const sizes = [1, 100, 5_000, 70_000, 300_000, 3]
    await Promise.all(sizes.map((size) => store(node, `size-${size}`, Buffer.alloc(size, size % 251))))
    const values = await Promise.all(sizes.map((size) => read(node, `size-${size}`)))
    assert.deepEqual(
      values.map(({ bytes }) => bytes),
      sizes.map((size) => Buffer.alloc(size, size % 251)),
    )
  })

  test('the largest value that the node takes is read back', async (node) => {
    const largest = Buffer.alloc(node.maxValueBytes, 7)
    await store(node, 'largest', largest)
    assert.ok((await read(node, 'largest')).bytes.equals(largest))
  })

  test('a write without condition replaces what is there', async (node) => {
    await store(node, 'key', 'first')
    await store(node, 'key', 'second')
    assert.equal(await text(node, 'key'), 'second')
  })

  test('the written bytes are the node’s own: a buffer that is used again changes nothing', async (node) => {
    const buffer = Buffer.from('before')
    await store(node, 'key', buffer)
    buffer.write('after!')
    assert.equal(await text(node, 'key'), 'before')
  })

  test('the read bytes are the caller’s own: changing them changes nothing in the node', async (node) => {
    await store(node, 'key', 'before')
    const { bytes } = await read(node, 'key')
    bytes.write('after!')
    assert.equal(await text(node, 'key'), 'before')
  })

  test('keys may hold characters beyond ASCII', async (node) => {
    await store(node, 'Schlüssel-鍵', 'value')
    assert.equal(await text(node, 'Schlüssel-鍵'), 'value')
    assert.equal(await node.get('Schlüssel-'), undefined)
  })

  test('hundreds of operations at once are all answered, each with its own answer', async (node) => {
    const keys = Array.from({ length: 500 }, (_, index) => `many-${index}`)
    await Promise.all(keys.map((key) => store(node, key, key)))
    assert.deepEqual(await Promise.all(keys.map((key) => text(node, key))), keys)
  })

  test('a ping is answered, and counts at least one connection', async (node) => {
    await node.ping()
    assert.ok(node.connections >= 1)
  })
}

function defineFencing(test: Define, fences: 'write' | 'content'): void {
  test('a write that expects nothing is stored where nothing is', async (node) => {
    assert.equal((await node.put('key', Buffer.from('new'), soon(), 'absent')).stored, true)
    assert.equal(await text(node, 'key'), 'new')
  })

  test('a write that expects nothing is refused where something is', async (node) => {
    await store(node, 'key', 'old')
    assert.deepEqual(await node.put('key', Buffer.from('new'), soon(), 'absent'), { stored: false })
    assert.equal(await text(node, 'key'), 'old')
  })

  test('of several writes at once that expect nothing exactly one is stored', async (node) => {
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, index) => node.put('key', Buffer.from(`${index}`), soon(), 'absent')),
    )
    assert.equal(results.filter(({ stored }) => stored).length, 1)
  })

  test('a write with the fence of what is there is stored', async (node) => {
    await store(node, 'key', 'old')
    const { fence } = await read(node, 'key')
    assert.equal((await node.put('key', Buffer.from('new'), soon(), fence)).stored, true)
    assert.equal(await text(node, 'key'), 'new')
  })

  test('a write with the fence of an earlier read is refused after another write', async (node) => {
    await store(node, 'key', 'first')
    const { fence } = await read(node, 'key')
    await store(node, 'key', 'second')
    assert.deepEqual(await node.put('key', Buffer.from('late'), soon(), fence), { stored: false })
    assert.equal(await text(node, 'key'), 'second')
  })

  test('the fence of a write serves for the next write, without a read between', async (node) => {
    const first = await store(node, 'key', 'first')
    const second = await node.put('key', Buffer.from('second'), soon(), first)
    assert.equal(second.stored, true)
    assert.equal((await node.put('key', Buffer.from('again'), soon(), first)).stored, false)
    assert.equal((await node.put('key', Buffer.from('third'), soon(), fenceOf(second))).stored, true)
  })

  test('the fence of a write that expected nothing serves for the next write', async (node) => {
    const result = await node.put('key', Buffer.from('first'), soon(), 'absent')
    assert.equal((await node.put('key', Buffer.from('second'), soon(), fenceOf(result))).stored, true)
  })

  test('of several writes with the same fence exactly one is stored', async (node) => {
    const fence = await store(node, 'key', 'old')
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, index) => node.put('key', Buffer.from(`${index}`), soon(), fence)),
    )
    assert.equal(results.filter(({ stored }) => stored).length, 1)
  })

  test('a write with a fence is refused when the value is gone', async (node) => {
    const fence = await store(node, 'key', 'old')
    await node.delete('key')
    assert.deepEqual(await node.put('key', Buffer.from('back'), soon(), fence), { stored: false })
    assert.equal(await node.get('key'), undefined)
  })

  test('a write with the fence of a value that was removed and written anew is refused', async (node) => {
    const fence = await store(node, 'key', 'same')
    await node.delete('key')
    await store(node, 'key', fences === 'content' ? 'other' : 'same')
    assert.deepEqual(await node.put('key', Buffer.from('late'), soon(), fence), { stored: false })
  })

  if (fences === 'content') {
    test('a fence stands for the same bytes again', async (node) => {
      const fence = await store(node, 'key', 'same')
      await node.delete('key')
      await store(node, 'key', 'same')
      assert.equal((await node.put('key', Buffer.from('new'), soon(), fence)).stored, true)
      assert.equal(await text(node, 'key'), 'new')
    })
  }

  test('a write with a fence that is not the node’s own is refused', async (node) => {
    await store(node, 'key', 'old')
    assert.deepEqual(await node.put('key', Buffer.from('new'), soon(), {}), { stored: false })
    assert.equal(await text(node, 'key'), 'old')
  })

  test('reading and renewing leave a fence good', async (node) => {
    const fence = await store(node, 'key', 'old')
    await node.get('key', soon())
    await node.touch('key', soon())
    assert.equal((await node.put('key', Buffer.from('new'), soon(), fence)).stored, true)
  })
}

function defineRemoval(test: Define): void {
  test('a removed value is absent', async (node) => {
    await store(node, 'key', 'value')
    assert.equal(await node.delete('key'), 'deleted')
    assert.equal(await node.get('key'), undefined)
  })

  test('removing what is not there says so', async (node) => {
    assert.equal(await node.delete('key'), 'absent')
  })

  test('a removal with the fence of what is there removes it', async (node) => {
    const fence = await store(node, 'key', 'value')
    assert.equal(await node.delete('key', fence), 'deleted')
    assert.equal(await node.get('key'), undefined)
  })

  test('a removal with an older fence is refused', async (node) => {
    const fence = await store(node, 'key', 'first')
    await store(node, 'key', 'second')
    assert.equal(await node.delete('key', fence), 'refused')
    assert.equal(await text(node, 'key'), 'second')
  })

  test('a removal with the fence of a value that is gone finds nothing', async (node) => {
    const fence = await store(node, 'key', 'value')
    await node.delete('key')
    assert.equal(await node.delete('key', fence), 'absent')
  })
}

function defineVerification(test: Define): void {
  test('what is still there is told apart from what is not', async (node) => {
    const first = await store(node, 'key', 'first')
    assert.equal(await node.verify('key', first, soon()), 'unchanged')
    const second = await store(node, 'key', 'second')
    assert.equal(await verifiedText(node, 'key', first), 'second')
    assert.equal(await node.verify('key', second, soon()), 'unchanged')
    await node.delete('key')
    assert.equal(await node.verify('key', second, soon()), undefined)
  })

  test('the fence of a read, and that of a fenced write, stand for what is there', async (node) => {
    await store(node, 'key', 'first')
    const { fence } = await read(node, 'key')
    assert.equal(await node.verify('key', fence, soon()), 'unchanged')
    const second = fenceOf(await node.put('key', Buffer.from('second'), soon(), fence))
    assert.equal(await node.verify('key', second, soon()), 'unchanged')
    assert.equal(await verifiedText(node, 'key', fence), 'second')
  })

  test('a value that was removed and written anew is not the one that was seen', async (node) => {
    const fence = await store(node, 'key', 'before')
    await node.delete('key')
    await store(node, 'key', 'after')
    assert.equal(await verifiedText(node, 'key', fence), 'after')
  })

  test('what a verification brings serves for the next write, and for the next verification', async (node) => {
    const fence = await store(node, 'key', 'first')
    await store(node, 'key', 'second')
    const found = await node.verify('key', fence, soon())
    assert.ok(found !== undefined && found !== 'unchanged')
    assert.equal(await node.verify('key', found.fence, soon()), 'unchanged')
    assert.equal((await node.put('key', Buffer.from('third'), soon(), found.fence)).stored, true)
  })

  test('a verification leaves the fence good', async (node) => {
    const fence = await store(node, 'key', 'first')
    assert.equal(await node.verify('key', fence, soon()), 'unchanged')
    assert.equal((await node.put('key', Buffer.from('second'), soon(), fence)).stored, true)
  })

  test('a verification with a fence that is not the node’s own is a read', async (node) => {
    await store(node, 'key', 'value')
    assert.equal(await verifiedText(node, 'key', {}), 'value')
  })

  test('the bytes that a verification brings are the caller’s own', async (node) => {
    await store(node, 'key', 'before')
    const found = await node.verify('key', {}, soon())
    assert.ok(found !== undefined && found !== 'unchanged')
    found.bytes.write('after!')
    assert.equal(await text(node, 'key'), 'before')
  })

  test('a verification moves the deadline, of what is unchanged and of what is not', async (node, opened) => {
    const deadline = Date.now() + 1000
    const [same, other] = [await put(node, 'same', deadline), await put(node, 'other', deadline)]
    await node.put('other', Buffer.from('changed'), deadline, 'any')
    await put(node, 'short', deadline)
    assert.equal(await node.verify('same', same, Date.now() + minute), 'unchanged')
    assert.notEqual(await node.verify('other', other, Date.now() + minute), 'unchanged')
    await untilAbsent(opened, 'short', 2000)
    assert.equal(await text(node, 'same'), 'value')
    assert.equal(await text(node, 'other'), 'changed')
  })

  test('a verification can also shorten, and finds nothing of what has expired', async (node, opened) => {
    const fence = await store(node, 'key', 'value')
    assert.equal(await node.verify('key', fence, Date.now() + 1000), 'unchanged')
    await untilAbsent(opened, 'key', 1000)
    assert.equal(await node.verify('key', fence, soon()), undefined)
    assert.equal(await node.get('key'), undefined)
  })

  test('a key that is too long, and a node that is closed, refuse a verification', async (node) => {
    const fence = await store(node, 'key', 'value')
    await assert.rejects(node.verify('k'.repeat(251), fence, soon()), ItemTooLargeError)
    await node.close()
    await assert.rejects(node.verify('key', fence, soon()), ClosedError)
    await assert.rejects(node.verify('key', {}, soon()), ClosedError)
  })
}

async function put(node: StorageNode, key: string, deadline: number): Promise<Fence> {
  return fenceOf(await node.put(key, Buffer.from('value'), deadline, 'any'))
}

async function verifiedText(node: StorageNode, key: string, seen: Fence): Promise<string> {
  const found = await node.verify(key, seen, soon())
  assert.ok(found !== undefined && found !== 'unchanged', `${key} is absent or unchanged`)
  return found.bytes.toString()
}

function defineExpiry(test: Define): void {
  test('a value is gone after its deadline', async (node, opened) => {
    await node.put('key', Buffer.from('value'), Date.now() + 1000, 'any')
    await untilAbsent(opened, 'key', 1000)
  })

  test('a deadline in the past is the shortest life, not an endless one', async (node, opened) => {
    await node.put('past', Buffer.from('value'), Date.now() - minute, 'any')
    await node.put('negative', Buffer.from('value'), -1, 'any')
    await untilAbsent(opened, 'past', 1000)
    await untilAbsent(opened, 'negative', 0)
  })

  test('a deadline of less than the server’s granularity is not an endless life', async (node, opened) => {
    await node.put('key', Buffer.from('value'), Date.now() + 1, 'any')
    await untilAbsent(opened, 'key', 1000)
  })

  test('the deadline 0 means: never', async (node, opened) => {
    await node.put('for-ever', Buffer.from('value'), 0, 'any')
    await node.put('short', Buffer.from('value'), Date.now() + 1000, 'any')
    await untilAbsent(opened, 'short', 2 * minute)
    assert.equal(await text(node, 'for-ever'), 'value')
  })

  test('a deadline more than 30 days ahead is kept', async (node) => {
    await node.put('months', Buffer.from('value'), Date.now() + 100 * 24 * 60 * minute, 'any')
    await node.put('centuries', Buffer.from('value'), Number.MAX_SAFE_INTEGER, 'any')
    assert.equal(await text(node, 'months'), 'value')
    assert.equal(await text(node, 'centuries'), 'value')
  })

  test('a touch moves the deadline', async (node, opened) => {
    await node.put('short', Buffer.from('value'), Date.now() + 1000, 'any')
    await node.put('renewed', Buffer.from('value'), Date.now() + 1000, 'any')
    assert.equal(await node.touch('renewed', Date.now() + minute), true)
    await untilAbsent(opened, 'short', 2000)
    assert.equal(await text(node, 'renewed'), 'value')
  })

  test('a touch of nothing says so and creates nothing', async (node) => {
    assert.equal(await node.touch('key', soon()), false)
    assert.equal(await node.get('key'), undefined)
  })

  test('a read that renews moves the deadline in the same step', async (node, opened) => {
    await node.put('short', Buffer.from('value'), Date.now() + 1000, 'any')
    await node.put('renewed', Buffer.from('value'), Date.now() + 1000, 'any')
    assert.equal((await node.get('renewed', Date.now() + minute))?.bytes.toString(), 'value')
    await untilAbsent(opened, 'short', 2000)
    assert.equal(await text(node, 'renewed'), 'value')
  })

  test('a read that renews can also shorten', async (node, opened) => {
    await node.put('key', Buffer.from('value'), soon(), 'any')
    await node.get('key', Date.now() + 1000)
    await untilAbsent(opened, 'key', 1000)
  })

  test('an expired value is absent for a fenced write too', async (node, opened) => {
    const result = await node.put('key', Buffer.from('old'), Date.now() + 1000, 'any')
    await untilAbsent(opened, 'key', 1000)
    assert.deepEqual(await node.put('key', Buffer.from('late'), soon(), fenceOf(result)), { stored: false })
    assert.equal((await node.put('key', Buffer.from('new'), soon(), 'absent')).stored, true)
  })
}

function defineLimits(test: Define): void {
  test('a value that is too large is refused, and the old value stays', async (node) => {
    await store(node, 'key', 'old')
    const tooLarge = Buffer.alloc(node.maxValueBytes + 1)
    await assert.rejects(node.put('key', tooLarge, soon(), 'any'), ItemTooLargeError)
    assert.equal(await text(node, 'key'), 'old')
  })

  test('a key of 250 bytes is taken, a longer one is refused by every operation', async (node) => {
    await store(node, 'k'.repeat(250), 'value')
    assert.equal(await text(node, 'k'.repeat(250)), 'value')
    for (const key of ['k'.repeat(251), 'ü'.repeat(126)]) {
      await assert.rejects(node.put(key, Buffer.from('value'), soon(), 'any'), ItemTooLargeError)
      await assert.rejects(node.get(key), ItemTooLargeError)
      await assert.rejects(node.touch(key, soon()), ItemTooLargeError)
      await assert.rejects(node.delete(key), ItemTooLargeError)
    }
  })

  test('after its close every operation is refused, and a second close is harmless', async (node) => {
    const fence = await store(node, 'key', 'value')
    await node.close()
    await node.close()
    await assert.rejects(node.get('key'), ClosedError)
    await assert.rejects(node.put('key', Buffer.from('value'), soon(), 'any'), ClosedError)
    await assert.rejects(node.put('key', Buffer.from('value'), soon(), fence), ClosedError)
    await assert.rejects(node.touch('key', soon()), ClosedError)
    await assert.rejects(node.delete('key'), ClosedError)
    await assert.rejects(node.delete('key', fence), ClosedError)
    await assert.rejects(node.ping(), ClosedError)
  })

  test('a node that was never used can be closed', async (node) => {
    await node.close()
  })
}

function soon(): number {
  return Date.now() + 10 * minute
}

async function store(node: StorageNode, key: string, value: string | Buffer): Promise<Fence> {
  return fenceOf(await node.put(key, Buffer.isBuffer(value) ? value : Buffer.from(value), soon(), 'any'))
}

function fenceOf(result: { stored: true; fence: Fence } | { stored: false }): Fence {
  assert.ok(result.stored, 'the write was refused')
  return result.fence
}

async function read(node: StorageNode, key: string): Promise<StoredValue> {
  const value = await node.get(key)
  assert.ok(value !== undefined, `${key} is absent`)
  return value
}

async function text(node: StorageNode, key: string): Promise<string> {
  return (await read(node, key)).bytes.toString()
}

/** Servers count in whole seconds: the value goes some time around its deadline. */
async function untilAbsent({ node, advance }: OpenedNode, key: string, ms: number): Promise<void> {
  await advance?.(ms + granularity)
  await waitFor(async () => (await node.get(key)) === undefined, { message: `${key} to expire`, interval: 50 })
}
