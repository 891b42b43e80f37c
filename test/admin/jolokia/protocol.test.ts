import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { post, type RawAnswer, request, type SampleServer, startSample } from '../sample.js'

const mbean = 'holdfast:type=Sample,name=main'

let server: SampleServer

beforeAll(async () => {
  server = await startSample({ limits: { memberTimeout: 200 } })
})

afterAll(() => server.close())

const get = (path: string): Promise<RawAnswer> => request(`${server.base}${path}`)
const send = (body: unknown, query = ''): Promise<RawAnswer> => post(`${server.base}/${query}`, body)

describe('the base', () => {
  it.each(['', '/', '/version', '/VERSION/', '?p=version', '?p=/version'])(
    'answers the version at %j',
    async (path) => {
      const { status, json, headers } = await get(path)
      expect({ status, protocol: json.value.protocol }).toEqual({ status: 200, protocol: '8.2' })
      expect(headers['content-type']).toBe('application/json; charset=utf-8')
      expect(Number.isInteger(json.timestamp)).toBe(true)
    },
  )

  it('refuses methods other than GET and POST', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      expect((await request(server.base, { method })).status).toBe(400)
    }
  })
})

describe('reading', () => {
  it('takes escapes, percent-encoded or not, and a trailing slash', async () => {
    expect((await get('/read/holdfast%3Atype%3DSample%2Cname%3Dmain/Active')).json.value).toBe(3)
    expect((await get(`/READ/${mbean}/Active/`)).json).toMatchObject({ value: 3, request: { type: 'read' } })
    expect((await get(`/read/${mbean}/Memory/he!ap/us!ed`)).json.value).toBe(5)
    expect((await get('/read/a:b=c!%2Fd!!')).json.request.mbean).toBe('a:b=c/d!')
    expect((await get(`?p=/read/${encodeURIComponent(mbean)}/Active`)).json.value).toBe(3)
  })

  it('does not care about the order of properties', async () => {
    expect((await get('/read/holdfast:name=main,type=Sample/Active')).json.value).toBe(3)
  })

  it('gives values by name for lists, also of one, and the bare value for one name', async () => {
    expect((await get(`/read/${mbean}/Active,Mode`)).json.value).toEqual({ Active: 3, Mode: 'async' })
    expect((await send({ type: 'read', mbean, attribute: ['Active'] })).json.value).toEqual({ Active: 3 })
    expect((await send({ type: 'read', mbean, attribute: 'Active,Mode' })).json.value).toEqual({
      Active: 3,
      Mode: 'async',
    })
    const all = await get(`/read/${mbean}/*`)
    expect(all.json.request.attribute).toEqual([])
    expect(Object.keys((await send({ type: 'read', mbean })).json.value)).toEqual(Object.keys(all.json.value))
  })

  it('answers 404 in a 200 for what is not there, and nothing that objects inherit is there', async () => {
    for (const name of ['Nope', 'constructor', '__proto__', 'toString', 'Key']) {
      const { status, json } = await get(`/read/${mbean}/${name}`)
      expect({ status, json }).toMatchObject({
        status: 200,
        json: { status: 404, '.error': true, error_type: 'javax.management.AttributeNotFoundException' },
      })
      expect(json).not.toHaveProperty('value')
      expect(json).not.toHaveProperty('timestamp')
      expect(json).not.toHaveProperty('stacktrace')
    }
    const unknown = (await get('/read/holdfast:type=Nope/A')).json
    expect(unknown).toMatchObject({
      status: 404,
      error: 'holdfast:type=Nope',
      error_type: 'javax.management.InstanceNotFoundException',
      error_type_jmx: 'javax.management.InstanceNotFoundException',
    })
  })

  it('gives null where an inner path leads nowhere, also for what objects inherit', async () => {
    for (const path of ['nope', 'constructor', '__proto__/x', 'heap/used/toString', 'list/9', 'list/length']) {
      expect((await get(`/read/${mbean}/Memory/${path}`)).json).toMatchObject({ status: 200, value: null })
    }
    expect((await get(`/read/${mbean}/Memory/list/0/used`)).json.value).toBe(7)
    expect((await get(`/read/${mbean}/Memory/*/used`)).json.value).toEqual({ heap: 5, other: 1 })
    const skipped = await get('/read/holdfast:type=StorageNode,*/State/*/State')
    expect(skipped.json.value).toEqual({
      'holdfast:type=StorageNode,id=n1': 'up',
      'holdfast:type=StorageNode,id=n2': 'down',
    })
  })

  it('leaves out MBeans without the attributes in a pattern read, and is 404 when none is left', async () => {
    const { json } = await get('/read/*:*/State,Active')
    expect(json.value).toEqual({
      [mbean]: { Active: 3 },
      'holdfast:type=StorageNode,id=n1': { State: 'up' },
      'holdfast:type=StorageNode,id=n2': { State: 'down' },
    })
    expect((await get('/read/holdfast:*/Nope')).json.status).toBe(404)
    expect((await get('/read/nobody:*/State')).json.status).toBe(404)
  })

  it('fails as a whole, or by attribute with ignoreErrors', async () => {
    const name = 'holdfast:type=StorageNode,id=n2'
    expect((await get(`/read/${name}/State,Latency`)).json).toMatchObject({ status: 500, error: 'no latency' })
    const { value } = (await get(`/read/${name}/State,Latency?ignoreErrors=true`)).json
    expect(value).toMatchObject({ State: 'down', Latency: { '.error': true, error: 'no latency', status: 500 } })
  })

  it('sorts properties of names when asked', async () => {
    expect(Object.keys((await get('/read/*:type=Sample,*/Active?canonicalNaming=true')).json.value)).toEqual([
      'holdfast:name=main,type=Sample',
    ])
  })
})

describe('processing parameters', () => {
  it('limit an answer', async () => {
    expect((await get(`/read/${mbean}/Memory?maxDepth=1`)).json.value).toEqual({
      heap: '[Object]',
      other: '[Object]',
      list: '[2 elements]',
    })
    expect((await get(`/read/${mbean}/Memory?maxCollectionSize=1`)).json.value).toEqual({ heap: { used: 5 } })
    expect((await get(`/read/${mbean}/Memory/heap?maxObjects=2`)).json.value).toEqual({
      used: 5,
      max: '[Object limit exceeded]',
    })
  })

  it('print long numbers as texts when asked', async () => {
    expect((await get(`/read/${mbean}/Big?serializeLong=string`)).json.value).toBe('1099511627776')
    expect((await get(`/read/${mbean}/Big`)).json.value).toBe(2 ** 40)
  })

  it('leave out the echo when asked, by query or by the item', async () => {
    expect((await get(`/read/${mbean}/Active?includeRequest=no`)).json).not.toHaveProperty('request')
    const config = { includeRequest: 'true' }
    const { json } = await send({ type: 'read', mbean, attribute: 'Active', config }, '?includeRequest=false')
    expect(json).toHaveProperty('request')
  })

  it.each([
    'ignoreErrors=maybe',
    'maxDepth=-1',
    'maxObjects=x',
    'mimeType=text/html',
    'serializeLong=big',
    'listKeys=2',
  ])('with the bad value %s are a 400 in plain text', async (query) => {
    const { status, headers, body } = await get(`/version?${query}`)
    expect(status).toBe(400)
    expect(headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(body).toMatch(/expected/)
  })

  it('never choose the type of the answer, nor a callback, nor a stack trace', async () => {
    const { headers, body } = await get(`/read/${mbean}/Nope?mimeType=text/plain&callback=alert&includeStackTrace=true`)
    expect(headers['content-type']).toBe('application/json; charset=utf-8')
    expect(body).toMatch(/^\{/)
    expect(body).not.toMatch(/stacktrace|\.ts:|at \//)
  })
})

describe('writing', () => {
  it('answers with the old value, and takes texts for other types', async () => {
    expect((await send({ type: 'write', mbean, attribute: 'Limit', value: '30' })).json).toMatchObject({
      value: 10,
      status: 200,
      request: { type: 'write', mbean, attribute: 'Limit', value: '30' },
    })
    expect(server.sample.limit).toBe(30)
    expect((await send({ type: 'write', mbean, attribute: 'Key', value: 'after' })).json).toMatchObject({ value: null })
    expect(server.sample.secret).toBe('after')
  })

  it('of a value out of range, or that the MBean refuses, is an error with the reason and changes nothing', async () => {
    server.sample.limit = 30
    for (const [value, reason] of [
      [101, /the value: got 101, expected a whole number from 0 to 100/],
      [13, /13 brings bad luck/],
    ] as const) {
      const { status, json } = await send({ type: 'write', mbean, attribute: 'Limit', value })
      expect({ status, json }).toMatchObject({
        status: 200,
        json: { status: 500, error_type: 'java.lang.IllegalArgumentException' },
      })
      expect(json.error).toMatch(reason)
    }
    expect(server.sample.limit).toBe(30)
  })

  it.each([
    ['no value', { type: 'write', mbean, attribute: 'Limit' }],
    ['a pattern', { type: 'write', mbean: 'holdfast:*', attribute: 'Limit', value: 1 }],
    ['an inner path', { type: 'write', mbean, attribute: 'Limit', value: 1, path: 'a' }],
  ])('of %s is a 400 in plain text', async (_, body) => {
    const { status, headers, body: text } = await send(body)
    expect(status).toBe(400)
    expect(headers['content-type']).toMatch(/^text\/plain/)
    expect(text).toMatch(/value|pattern|path/)
  })

  it('of what is read-only is a 404 in a 200', async () => {
    expect((await send({ type: 'write', mbean, attribute: 'Active', value: 1 })).json).toMatchObject({
      status: 404,
      error_type: 'javax.management.AttributeNotFoundException',
    })
  })
})

describe('calling', () => {
  const exec = (operation: string, args?: unknown[], name = mbean) =>
    send({ type: 'exec', mbean: name, operation, ...(args && { arguments: args }) })

  it('gives the result, null for none; a signature may be given', async () => {
    expect((await exec('add', [1, '2'])).json.value).toBe(3)
    expect((await exec('add(int,int)', [1, 2])).json.value).toBe(3)
    expect((await exec('reset()')).json).toMatchObject({ value: null, status: 200 })
  })

  it('tells what went wrong', async () => {
    expect((await exec('constructor')).json).toMatchObject({
      status: 500,
      error_type: 'java.lang.NoSuchMethodException',
    })
    expect((await exec('add(long)', [1])).json).toMatchObject({
      status: 500,
      error_type: 'java.lang.NoSuchMethodException',
    })
    expect((await exec('fail')).json).toMatchObject({
      status: 500,
      error: 'broken',
      error_type: 'java.lang.RuntimeException',
    })
    expect((await exec('add', [1, 11])).json).toMatchObject({ error_type: 'java.lang.IllegalArgumentException' })
    expect(await exec('add', [1])).toMatchObject({ status: 200, json: { status: 400, '.error': true } })
    expect(await exec('add', [1, 'x'])).toMatchObject({
      status: 200,
      json: {
        status: 400,
        error: expect.stringMatching(/the argument b: got "x", expected a whole number/),
        error_type: 'java.lang.IllegalArgumentException',
        request: { type: 'exec', operation: 'add', arguments: [1, 'x'] },
      },
    })
    expect((await exec('reset', [], 'holdfast:type=Nope')).json.status).toBe(404)
  })

  it('does not wait for ever', async () => {
    expect((await exec('hang')).json).toMatchObject({
      status: 500,
      error_type: 'java.util.concurrent.TimeoutException',
    })
  })

  it('calls all MBeans of a pattern that have the operation', async () => {
    expect((await exec('probe', [], 'holdfast:*')).json.value).toEqual({
      'holdfast:type=StorageNode,id=n1': 'probed n1',
      'holdfast:type=StorageNode,id=n2': 'probed n2',
    })
    expect((await exec('probe', [], 'nobody:*')).json.status).toBe(404)
  })
})

describe('searching', () => {
  it('gives names, and an empty list for none', async () => {
    expect((await get('/search')).json.value).toHaveLength(3)
    expect((await get('/search/*:type=Stor%3FgeNode,id=n*')).json.value).toHaveLength(2)
    expect((await get('/search/nobody:*')).json).toMatchObject({ value: [], status: 200 })
    expect((await get('/search/nonsense')).status).toBe(400)
  })

  it('answers 304 without a value when nothing has come or gone', async () => {
    const later = Math.floor(Date.now() / 1000) + 10
    const { status, json } = await get(`/search/*:*?ifModifiedSince=${later}`)
    expect({ status, json }).toMatchObject({ status: 200, json: { status: 304 } })
    expect(json).not.toHaveProperty('value')
    expect((await get(`/list?ifModifiedSince=${later}`)).json.status).toBe(304)
    expect((await get('/list?ifModifiedSince=1')).json.status).toBe(200)
  })

  it('sees MBeans that come and go', async () => {
    const { nodeBean } = await import('../sample.js')
    const remove = server.registry.register(nodeBean('n3'))
    expect((await get('/search/*:id=n3,*')).json.value).toEqual(['holdfast:type=StorageNode,id=n3'])
    remove()
    expect((await get('/search/*:id=n3,*')).json.value).toEqual([])
  })
})

describe('listing', () => {
  it('describes attributes and operations', async () => {
    const info = (await get('/list/holdfast/name=main,type=Sample')).json.value
    expect(info).toMatchObject({ class: 'holdfast.Sample', desc: 'A sample', notif: {} })
    expect(info.attr.Limit).toEqual({ type: 'int', desc: 'Limit', rw: true, r: true, w: true, is: false })
    expect(info.attr.Active).toMatchObject({ rw: false, r: true, w: false })
    expect(info.attr.Key).toMatchObject({ rw: false, r: false, w: true })
    expect(info.attr.Values).toMatchObject({ r: false })
    expect(info.op.add).toMatchObject({
      args: [
        { name: 'a', type: 'int', desc: 'One' },
        { name: 'b', type: 'int', desc: 'Other' },
      ],
      ret: 'int',
      desc: 'Adds',
    })
    expect(info.op.reset).toMatchObject({ args: [], ret: 'void', canInvoke: true })
  })

  it('cuts at a depth', async () => {
    expect((await get('/list?maxDepth=1')).json.value).toEqual({ holdfast: '1' })
    expect((await get('/list?maxDepth=2')).json.value).toEqual({
      holdfast: { 'type=Sample,name=main': '1', 'type=StorageNode,id=n1': '1', 'type=StorageNode,id=n2': '1' },
    })
    expect((await get('/list/holdfast?maxDepth=1')).json.value['type=StorageNode,id=n1']).toBe('1')
  })

  it('follows a path', async () => {
    expect(Object.keys((await get('/list/holdfast')).json.value)).toHaveLength(3)
    expect((await send({ type: 'list', path: 'holdfast/type=StorageNode,id=n1/attr' })).json.value).toHaveProperty(
      'State',
    )
    expect((await get('/list/nobody')).json).toMatchObject({ status: 200, value: {} })
    expect((await get('/list/constructor')).json).toMatchObject({ status: 200, value: {} })
    expect((await get('/list/holdfast/type=Nope')).json.status).toBe(404)
    expect((await get('/list/holdfast/type=StorageNode,id=n1/attr/State')).json.status).toBe(400)
    expect((await get('/list/holdfast/type=StorageNode,id=n1/constructor')).json.status).toBe(400)
  })

  it('has the form with a cache when asked', async () => {
    const { value } = (await get('/list?listCache=true')).json
    expect(Object.keys(value)).toEqual(['cache', 'domains'])
    expect(value.domains.holdfast).toHaveProperty(['type=Sample,name=main', 'class'])
  })
})

describe('an error of what a request asks', () => {
  const items = [
    { type: 'write', mbean, attribute: 'Limit', value: '30m' },
    { type: 'write', mbean, attribute: 'Limit', value: {} },
    { type: 'write', mbean, attribute: 'Limit', value: null },
    { type: 'write', mbean, attribute: 'Active', value: 1 },
    { type: 'write', mbean, attribute: 'Nope', value: 1 },
    { type: 'read', mbean, attribute: 'Nope' },
    { type: 'read', mbean: 'holdfast:type=Nope' },
    { type: 'exec', mbean, operation: 'add', arguments: [1, 'x'] },
    { type: 'exec', mbean, operation: 'add', arguments: [1, 2, 3] },
    { type: 'exec', mbean, operation: 'nope' },
    { type: 'list', path: 'holdfast/type=Sample,name=main/nope' },
  ]

  it.each(items)('is the same object alone and in a bulk: %j', async (item) => {
    const alone = await send(item)
    expect(alone).toMatchObject({
      status: 200,
      json: { '.error': true, error: expect.any(String), request: { type: item.type } },
    })
    expect(alone.headers['content-type']).toMatch(/^application\/json/)
    expect(alone.json.status).toBeGreaterThanOrEqual(400)
    expect((await send([item])).json).toEqual([alone.json])
  })
})

describe('a bulk', () => {
  it('answers each request in its place, a bad one with a status of its own', async () => {
    const items = [{ type: 'read', mbean, attribute: 'Active' }, { type: 'dance' }, 7, null, { type: 'version' }]
    const { status, json } = await send(items)
    expect(status).toBe(200)
    expect(json.map((answer: { status: number }) => answer.status)).toEqual([200, 400, 400, 400, 200])
    expect((await send([])).json).toEqual([])
  })

  it('has a limit', async () => {
    expect((await send(Array(100).fill({ type: 'version' }))).status).toBe(200)
    expect((await send(Array(101).fill({ type: 'version' }))).status).toBe(400)
  })
})

describe('bad requests', () => {
  it.each(['/dance', '/read', '/read/x', '/read/%zz', '/read/%ff%fe', '/exec/a:b=c', '/write/a:b=c/d'])(
    'such as %s are a 400 in plain text',
    async (path) => {
      const { status, headers } = await get(path)
      expect(status).toBe(400)
      expect(headers['content-type']).toMatch(/^text\/plain/)
    },
  )

  it.each([
    '{',
    '',
    '3',
    'null',
    '"read"',
    '{}',
    '{"type":"dance"}',
    '{"type":7}',
    '{"type":"read"}',
    '{"type":"read","mbean":7}',
    '{"type":"read","mbean":"a:b=c","attribute":7}',
    '{"type":"read","mbean":"a:b=c","target":{"url":"service:jmx:rmi:///jndi/ldap://h/x"}}',
    '{"type":"exec","mbean":"a:b=c","operation":"x","arguments":"y"}',
    '{"__proto__":{"type":"version"}}',
  ])('such as the body %s are a 400 in plain text', async (body) => {
    expect((await send(body)).status).toBe(400)
  })
})

describe('other clients', () => {
  it('telegraf posts lists of reads to /read and finds its request in the answer', async () => {
    const items = [
      { type: 'read', mbean: 'holdfast:type=StorageNode,*', attribute: ['State'] },
      { type: 'read', mbean, attribute: 'Memory', path: 'heap' },
      { type: 'read', mbean: 'holdfast:type=Nope' },
    ]
    const { status, json } = await post(`${server.base}/read?ignoreErrors=true`, items)
    expect(status).toBe(200)
    expect(json.map((a: { status: number }) => a.status)).toEqual([200, 200, 404])
    expect(json[0]).toMatchObject({
      request: { type: 'read', mbean: items[0]?.mbean, attribute: ['State'] },
      value: { 'holdfast:type=StorageNode,id=n1': { State: 'up' } },
    })
    expect(json[1]).toMatchObject({ request: { attribute: 'Memory', path: 'heap' }, value: { used: 5, max: 9 } })
    expect(json[2].request).toEqual({ type: 'read', mbean: 'holdfast:type=Nope', attribute: [] })
  })

  it('hawtio probes, asks for its registry, and lists', async () => {
    expect((await get('')).json.value.agent).toBe('1.2.3')
    const query =
      '?maxDepth=7&maxCollectionSize=50000&ignoreErrors=true&canonicalNaming=false&mimeType=application/json'
    const rbac = await send({ type: 'list', path: 'hawtio/type=security,name=RBACRegistry' }, query)
    expect(rbac.json.status).toBe(404)
    const config = { maxDepth: 9, listCache: true }
    const { json } = await send({ type: 'list', config }, query)
    for (const info of Object.values(json.value.domains.holdfast)) {
      expect(info).toMatchObject({ class: expect.any(String), attr: expect.any(Object), op: expect.any(Object) })
    }
  })

  it('jmx4perl asks with trailing slashes, with p, in upper case and without a type of content', async () => {
    expect((await get('/version/')).json.status).toBe(200)
    expect(Object.keys((await get(`/read/${mbean}/`)).json.value).length).toBeGreaterThan(5)
    expect((await get(`/?p=read%2F${encodeURIComponent(mbean)}%2FActive`)).json.value).toBe(3)
    const listed = await request(`${server.base}/`, { method: 'POST', body: '{"type":"LIST","mbean":"holdfast"}' })
    expect(listed.json).toMatchObject({ status: 200, request: { type: 'list' } })
  })
})
