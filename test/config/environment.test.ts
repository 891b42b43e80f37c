// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment are what is tested
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expandEnvironment } from '../../src/config/environment.js'

const environment = { HOST: 'h1', PORT: '11211', EMPTY: '', TRICKY: '${HOST}$&' }

function expand(value: unknown): unknown {
  const result = expandEnvironment(value, environment)
  expect(result.problems).toEqual([])
  return result.value
}

describe('references to the environment', () => {
  it.each([
    ['${HOST}', 'h1'],
    ['memcached://${HOST}:${PORT}', 'memcached://h1:11211'],
    ['${MISSING:-other}', 'other'],
    ['${EMPTY:-other}', 'other'],
    ['${EMPTY}', ''],
    ['${MISSING:-}', ''],
    ['${MISSING:-a:-b}', 'a:-b'],
    ['$${HOST}', '${HOST}'],
    ['$HOST and $ and {HOST}', '$HOST and $ and {HOST}'],
  ])('%j becomes %j', (text, expected) => {
    expect(expand(text)).toBe(expected)
  })

  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'])(
    'finds nothing that objects inherit: %s',
    (name) => {
      expect(expandEnvironment(`\${${name}}`, environment).problems).toHaveLength(1)
      expect(expandEnvironment(`\${${name}}`, process.env).problems).toHaveLength(1)
      expect(expand(`\${${name}:-x}`)).toBe('x')
    },
  )

  it('takes values as they are: what looks like a reference in them stays', () => {
    expect(expand('${TRICKY}')).toBe('${HOST}$&')
  })

  it('reaches into lists and objects, and leaves other values alone', () => {
    const pattern = /\${HOST}/
    const encode = (): undefined => undefined
    const value = { nodes: [{ url: '${HOST}' }], rolling: true, trustFor: 5, none: null, pattern, encode }
    expect(expand(value)).toEqual({ nodes: [{ url: 'h1' }], rolling: true, trustFor: 5, none: null, pattern, encode })
  })

  it('reports each missing variable and each malformed reference with its path', () => {
    const { problems } = expandEnvironment({ route: '${ROUTE}', secret: ['${A}', '${B}'], name: '${no name}' }, {})
    expect(problems.map((p) => p.path)).toEqual(['route', 'secret[0]', 'secret[1]', 'name'])
    expect(problems[0]?.expected).toContain('environment variable ROUTE')
    expect(problems[3]?.expected).toContain('${NAME}')
  })

  it('copes with parts that are shared or contain themselves', () => {
    const shared = { url: '${HOST}' }
    const circular: unknown[] = []
    circular.push(circular, circular, circular)
    expect(expand({ nodes: [shared, shared] })).toEqual({ nodes: [{ url: 'h1' }, { url: 'h1' }] })
    expect(() => expand(circular)).not.toThrow()
  })

  it('keeps keys that name the prototype as plain keys', () => {
    const value = expand(JSON.parse('{"__proto__": {"rolling": "${HOST}"}}')) as object
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.keys(value)).toEqual(['__proto__'])
  })

  it('changes nothing in a text without "${"', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('${')),
        (text) => expandEnvironment(text, {}).value === text,
      ),
    )
  })

  it('never throws, whatever the data', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => Array.isArray(expandEnvironment(value, {}).problems)))
  })
})
