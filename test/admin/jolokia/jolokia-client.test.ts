import Jolokia, { type IJolokia, type JolokiaConfiguration, type JolokiaRequest } from 'jolokia.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type SampleServer, startSample } from '../sample.js'

const mbean = 'holdfast:type=Sample,name=main'

let server: SampleServer
let client: IJolokia

beforeAll(async () => {
  server = await startSample()
  client = connect({ url: server.base })
})

afterAll(() => server.close())

/** Its types ask for every option of fetch. */
function connect(options: object): IJolokia {
  return new Jolokia(options as JolokiaConfiguration)
}

// biome-ignore lint/suspicious/noExplicitAny: answers of any shape
async function ask(request: object | object[], options: object = {}): Promise<any> {
  return client.request(request as JolokiaRequest, options as never)
}

describe('the client jolokia.js', () => {
  it('asks for the version', async () => {
    expect(await ask({ type: 'version' })).toMatchObject({
      request: { type: 'version' },
      status: 200,
      value: { agent: '1.2.3', protocol: '8.2', info: { jmx: {} }, details: { secured: false } },
    })
  })

  it('reads one attribute, several, and all', async () => {
    expect(await ask({ type: 'read', mbean, attribute: 'Active' })).toMatchObject({ value: 3, status: 200 })
    const some = await ask({ type: 'read', mbean, attribute: ['Active', 'Mode'] })
    expect(some.value).toEqual({ Active: 3, Mode: 'async' })
    const all = await ask({ type: 'read', mbean })
    expect(Object.keys(all.value)).toEqual(expect.arrayContaining(['Active', 'Big', 'Memory', 'Names', 'Started']))
    expect(all.value).not.toHaveProperty('Key')
    expect(all.value).toMatchObject({ Started: '1970-01-01T00:00:00.000Z', Share: null })
  })

  it('reads along an inner path, also by names that need escapes', async () => {
    expect(await ask({ type: 'read', mbean, attribute: 'Memory', path: 'heap/used' })).toMatchObject({ value: 5 })
    const odd = await ask({ type: 'read', mbean: 'holdfast:type=a/b!c', attribute: 'A b' })
    expect(odd).toMatchObject({
      status: 404,
      error_type: 'javax.management.InstanceNotFoundException',
      request: { mbean: 'holdfast:type=a/b!c', attribute: 'A b' },
    })
  })

  it('reads by a pattern', async () => {
    const { value } = await ask({ type: 'read', mbean: 'holdfast:type=StorageNode,*', attribute: 'State' })
    expect(value).toEqual({
      'holdfast:type=StorageNode,id=n1': { State: 'up' },
      'holdfast:type=StorageNode,id=n2': { State: 'down' },
    })
  })

  it('writes by POST, and gets the old value', async () => {
    const answer = await ask({ type: 'write', mbean, attribute: 'Limit', value: 20 }, { method: 'post' })
    expect(answer).toMatchObject({ value: 10, status: 200, request: { type: 'write', value: 20 } })
    expect(server.sample.limit).toBe(20)
  })

  it('is refused when it writes or calls by GET, its default', async () => {
    const before = server.sample.mode
    const write = await ask({ type: 'write', mbean, attribute: 'Mode', value: 'sync' })
    const exec = await ask({ type: 'exec', mbean, operation: 'reset()' })
    expect([write.status, exec.status]).toEqual([403, 403])
    expect(server.sample).toMatchObject({ mode: before, calls: [] })
  })

  it('calls operations by POST', async () => {
    const post = { method: 'post' }
    expect(await ask({ type: 'exec', mbean, operation: 'add', arguments: [1, 2] }, post)).toMatchObject({ value: 3 })
    expect(await ask({ type: 'exec', mbean, operation: 'reset()' }, post)).toMatchObject({ value: null, status: 200 })
    expect(server.sample.calls).toEqual(['reset'])
  })

  it('searches and lists', async () => {
    const search = await ask({ type: 'search', mbean: 'holdfast:type=StorageNode,*' })
    expect(search.value).toEqual(['holdfast:type=StorageNode,id=n1', 'holdfast:type=StorageNode,id=n2'])
    const list = await ask({ type: 'list' })
    expect(list.value.holdfast['type=Sample,name=main']).toMatchObject({ class: 'holdfast.Sample', desc: 'A sample' })
    const part = await ask({ type: 'list', path: 'holdfast/type=StorageNode,id=n1/desc' })
    expect(part.value).toBe('Storage node n1')
  })

  it('sends a bulk, and gets an answer for each in order', async () => {
    const answers = await ask([
      { type: 'read', mbean, attribute: 'Active' },
      { type: 'read', mbean, attribute: 'Nope' },
      { type: 'version' },
    ])
    expect(answers.map((answer: { status: number }) => answer.status)).toEqual([200, 404, 200])
  })

  it('gets the configuration, by POST', async () => {
    expect((await ask({ type: 'config' }, { method: 'post' })).value).toMatchObject({
      protocol: '8.2',
      security: { authentication: [] },
    })
  })

  it('is rejected with the response when the request is bad', async () => {
    await expect(ask({ type: 'read', mbean: 'no name', attribute: 'A' })).rejects.toMatchObject({ status: 400 })
  })

  it('logs in with headers', async () => {
    const token = 'a-token-of-the-tests'
    const sha256 = await digest(token)
    const guarded = await startSample({ auth: { users: [], tokens: [{ name: 'ci', role: 'viewer', sha256 }] } })
    try {
      const anonymous = connect({ url: guarded.base })
      await expect(anonymous.request({ type: 'version' })).rejects.toMatchObject({ status: 401 })
      const known = connect({ url: guarded.base, headers: { Authorization: `Bearer ${token}` } })
      expect(await known.request({ type: 'version' })).toMatchObject({
        status: 200,
        value: { details: { secured: true } },
      })
    } finally {
      await guarded.close()
    }
  })
})

async function digest(token: string): Promise<string> {
  return (await import('node:crypto')).createHash('sha256').update(token).digest('hex')
}
