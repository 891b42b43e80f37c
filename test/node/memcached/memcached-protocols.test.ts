import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startMemcachedServer } from '../../../src/memcached-server/server.js'
import { parseNodeAddress } from '../../../src/node/address/node-address.js'
import { createMemcachedNode, type MemcachedNodeOptions } from '../../../src/node/memcached/memcached-node.js'
import type { StorageNode } from '../../../src/node/storage-node.js'
import { startFaultyServer } from '../../../src/testing/faulty-server.js'
import { startMemcached, type TestMemcached } from '../../../src/testing/start-memcached.js'
import { waitFor } from '../../../src/testing/wait-for.js'

/** What a server does with a line of text: answers, or ends the connection. */
type AnswerText = (line: string) => string | 'close' | 'silence'

let memcached: TestMemcached
let opened: { close(): unknown }[] = []

beforeAll(async () => {
  memcached = await startMemcached()
})

afterAll(() => memcached.close())

afterEach(async () => {
  for (const each of opened) await each.close()
  opened = []
})

interface ScriptedServer {
  port: number
  /** The protocol of each connection, in order. */
  readonly spoken: ('binary' | 'text')[]
}

/** A server that answers text by a script, and passes the binary protocol on to a real memcached. */
async function startScriptedServer(answer: AnswerText): Promise<ScriptedServer> {
  const spoken: ('binary' | 'text')[] = []
  const sockets = new Set<Socket>()
  const server: Server = createServer((client) => {
    sockets.add(client)
    client.on('error', () => {})
    client.once('data', (first: Buffer) => {
      const binary = first[0] === 0x80
      spoken.push(binary ? 'binary' : 'text')
      if (binary) passOn(client, first)
      else converse(client, first, answer)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.push({
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  })
  return { port: (server.address() as AddressInfo).port, spoken }
}

function passOn(client: Socket, first: Buffer): void {
  const upstream = connect(memcached.port, memcached.host)
  upstream.on('error', () => {})
  upstream.write(first)
  client.pipe(upstream).pipe(client)
  client.once('close', () => upstream.destroy())
}

function converse(client: Socket, first: Buffer, answer: AnswerText): void {
  let rest = ''
  const take = (chunk: Buffer): void => {
    rest += chunk.toString('latin1')
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const said = answer(rest.slice(0, end).trim())
      rest = rest.slice(end + 1)
      if (said === 'close') client.end()
      else if (said !== 'silence') client.write(`${said}\r\n`)
    }
  }
  client.on('data', take)
  take(first)
}

function openNode(port: number, query = '', options: Partial<MemcachedNodeOptions> = {}): StorageNode {
  const address = parseNodeAddress(`memcached://127.0.0.1:${port}${query}`)
  const node = createMemcachedNode({ id: 'n1', address, operationTimeout: 5000, reconnectPause: 0, ...options })
  opened.unshift(node)
  return node
}

const later = (): number => Date.now() + 600_000

describe('the protocol of a memcached node', () => {
  it('is that of the meta commands on a real memcached, and on an embedded node', async () => {
    const embedded = await startMemcachedServer()
    opened.push(embedded)
    for (const place of [memcached, embedded]) {
      const lines: string[] = []
      const watched = await startScriptedServer((line) => {
        lines.push(line)
        return line === 'mn' ? 'MN' : 'VERSION 1.6.45'
      })
      await openNode(watched.port).ping()
      expect([watched.spoken, lines]).toEqual([['text'], ['version', 'mn']])
      const node = openNode(place.port)
      await node.put('Schlüssel mit\r\nflush_all', Buffer.from('value'), later(), 'any')
      expect((await node.get('Schlüssel mit\r\nflush_all'))?.bytes.toString()).toBe('value')
      const other = openNode(place.port, '?protocol=binary')
      expect((await other.get('Schlüssel mit\r\nflush_all'))?.bytes.toString()).toBe('value')
    }
  })

  it.each<[string, AnswerText]>([
    ['ends the connection at a line of text', () => 'close'],
    ['is older than the meta commands that we need', () => 'VERSION 1.6.17'],
    ['is older than the meta commands', () => 'VERSION 1.4.39'],
    ['has a version that says nothing and knows no mn', (line) => (line === 'mn' ? 'ERROR' : 'VERSION other')],
    ['knows no text commands', () => 'ERROR'],
  ])('is the binary one where the server %s', async (_, answer) => {
    const server = await startScriptedServer(answer)
    const node = openNode(server.port)
    const value = Buffer.from('value')
    const stored = node.put('key', value, later(), 'any')
    // What waits for the outcome is kept, whatever happens to the caller's memory, and carried out in order.
    value.fill(0)
    const read = node.get('key')
    const removed = node.delete('key')
    expect((await stored).stored).toBe(true)
    expect((await read)?.bytes.toString()).toBe('value')
    expect(await removed).toBe('deleted')
    expect(server.spoken).toEqual(['text', 'binary'])
    expect(node.connections).toBe(1)
  })

  it('is found out again with each connection: a server may be replaced', async () => {
    let replaced = false
    const server = await startScriptedServer((line) => (!replaced ? 'close' : line === 'mn' ? 'MN' : 'VERSION 1.6.18'))
    const node = openNode(server.port)
    const faulty = await startFaultyServer({ host: '127.0.0.1', port: server.port })
    opened.push(faulty)
    const through = openNode(faulty.port)
    await node.ping()
    await through.ping()
    replaced = true
    faulty.dropConnections()
    await waitFor(() => faulty.openConnections === 0)
    await through.ping()
    expect(server.spoken.slice(-2)).toEqual(['binary', 'text'])
  })

  it('is the one that the address says, and no other is tried', async () => {
    const server = await startScriptedServer(() => 'close')
    await openNode(server.port, '?protocol=binary').ping()
    expect(server.spoken).toEqual(['binary'])
    await expect(openNode(server.port, '?protocol=meta').ping()).rejects.toThrow(/closed the connection/)
    const old = await startScriptedServer(() => 'VERSION 1.5.6')
    await expect(openNode(old.port, '?protocol=meta').ping()).rejects.toThrow(/knows no meta commands/)
    expect([...server.spoken, ...old.spoken]).toEqual(['binary', 'text', 'text'])
  })

  it('is not waited for longer than an operation may take, and asked for anew', async () => {
    let awake = false
    const server = await startScriptedServer((line) => (!awake ? 'silence' : line === 'mn' ? 'MN' : 'VERSION 1.6.18'))
    const node = openNode(server.port, '', { operationTimeout: 300 })
    const results = await Promise.allSettled([node.ping(), node.get('key')])
    for (const result of results) expect(result).toMatchObject({ reason: { code: 'HOLDFAST_NODE_UNREACHABLE' } })
    awake = true
    await waitFor(() => node.ping().then(() => true))
  })

  it('does not take what comes unasked for an answer', async () => {
    const server = await startScriptedServer((line) => (line === 'mn' ? 'MN\r\nHD O0' : 'VERSION other'))
    await expect(openNode(server.port).get('key')).rejects.toMatchObject({ code: 'HOLDFAST_NODE_UNREACHABLE' })
  })

  it('meets every fault of the greeting: nothing waits longer than its time, and the next one is answered', async () => {
    const faulty = await startFaultyServer(memcached)
    opened.push(faulty)
    for (const fault of [
      { kind: 'close' },
      { kind: 'reset' },
      { kind: 'garbage' },
      { kind: 'silent' },
      { kind: 'cut-reply', afterwards: 'close' },
      { kind: 'cut-reply', afterwards: 'stop' },
      { kind: 'other-request' },
      { kind: 'status', status: 0x82 },
    ] as const) {
      faulty.fail(fault, { requests: 1, greetings: true })
      const node = openNode(faulty.port, '?protocol=meta', { operationTimeout: 1000 })
      await expect(node.get('key'), fault.kind).rejects.toMatchObject({ code: 'HOLDFAST_NODE_UNREACHABLE' })
      expect(await node.get('key')).toBeUndefined()
    }
  })
})
