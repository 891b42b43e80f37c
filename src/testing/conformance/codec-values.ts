/** What one codec keeps and another does not. */
export type Kind = keyof typeof samples

const long = 'grüße, 鍵, 🗝, '.repeat(10)

/** Values of each kind, as a session may hold them. */
export const samples = {
  json: [
    null,
    true,
    0,
    -1.5,
    1e300,
    2 ** 53 - 1,
    -(2 ** 31),
    '',
    'text',
    long,
    '\0',
    '\0\0d5',
    '\0d5',
    '__proto__',
    [],
    {},
    [[], {}, ''],
    { '': { '': [] } },
    {
      user: { id: 7, roles: ['a', 'b'], name: long },
      cart: [
        { sku: 'x', n: 1 },
        { sku: 'y', n: 2 },
      ],
    },
    { constructor: 1, prototype: 'p', toString: 't', hasOwnProperty: [1], length: 3, toJSON: 'not a function' },
    { constructor: { prototype: { polluted: true } }, __keys__: 1, $date: 5, type: 'Buffer', data: [1] },
    { 10: 'ten', 9: 'nine', b: 1, a: 2 },
  ] as unknown[],
  Date: [new Date(0), new Date(1_760_000_000_123), new Date(-1), new Date(8.64e15), new Date(-8.64e15)],
  'invalid Date': [new Date(Number.NaN)],
  Map: [
    new Map(),
    new Map<unknown, unknown>([
      ['a', 1],
      [2, { x: new Map([[{ k: 1 }, 'object']]) }],
    ]),
  ],
  Set: [new Set(), new Set<unknown>(['a', 1, new Set([{}])])],
  BigInt: [0n, -1n, 2n ** 63n, -(2n ** 63n), 2n ** 64n, 2n ** 200n, -(2n ** 200n)],
  Buffer: [Buffer.alloc(0), Buffer.from('bytes'), Buffer.alloc(70_000, 3)],
  Uint8Array: [new Uint8Array([1, 2, 255])],
  'typed arrays': [
    new Int8Array([-1]),
    new Uint8ClampedArray([255]),
    new Int16Array([-2]),
    new Uint16Array([65_535]),
    new Int32Array([-3]),
    new Uint32Array([2 ** 32 - 1]),
    new Float32Array([1.5]),
    new Float64Array([Math.PI, Number.NaN]),
    new BigInt64Array([-5n]),
    new BigUint64Array([5n]),
    new Uint8Array([9, 8, 7, 6]).buffer,
  ],
  'undefined inside': [{ a: undefined }, [undefined]],
  'NaN and infinities': [{ a: Number.NaN }, [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]],
  'negative zero': [{ a: -0 }],
  holes: [sparse()],
  'lone surrogates': ['\ud800', { '\udc00': `x${'\ud83d'.repeat(100)}` }],
  RegExp: [/a(b)/gi],
  Error: [{ error: Object.assign(new TypeError('wrong'), { stack: 'stack' }) }],
  cycles: [cycle()],
}

/** The value as it is, and in places where sessions have values. */
export function storedInside(value: unknown): unknown[] {
  return [value, { value }, [value, [value]], { deep: { list: [{ value }] } }]
}

/** Values that are refused, left out, or stored in part. */
export const nasty: Readonly<Record<string, () => unknown>> = {
  'a key __proto__': () => JSON.parse('{"__proto__":{"polluted":true},"a":{"__proto__":[1]},"b":[{"__proto__":null}]}'),
  'a key __proto__ beside others': () => JSON.parse('{"k\\u20ac":1,"__proto__":{"toString":1}}'),
  'a path constructor.prototype': () => JSON.parse('{"constructor":{"prototype":{"polluted":true}}}'),
  'a very deep value': () => deep(100_000),
  'a rather deep value': () => deep(400),
  'a very wide object': () => Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`key-${i}`, i])),
  'a very long array': () => Array.from({ length: 200_000 }, (_, i) => i),
  'a very long text': () => 'x€'.repeat(2_000_000),
  'a cycle': cycle,
  'a cycle through a Map': () => {
    const map = new Map()
    return map.set('self', map)
  },
  'a sparse array': sparse,
  'lone surrogates': () => ['\ud800', { '\udfff': '\udc00\ud800' }],
  'NaN, infinities and -0': () => [Number.NaN, Number.POSITIVE_INFINITY, -0],
  'functions and symbols inside': () => ({ run() {}, list: [() => 1, Symbol('s')], [Symbol('key')]: 1 }),
  'an object without prototype': () => Object.assign(Object.create(null), { a: 1 }),
  'an instance of a class': () =>
    new (class Basket {
      items = [1]
    })(),
  'a toJSON that throws': () => ({ toJSON: () => assertNever() }),
  'a getter that throws': () => ({
    get broken() {
      return assertNever()
    },
  }),
  'boxed primitives': () => [Object(1), Object('text'), Object(true)],
  'an Error': () => new RangeError('wrong'),
  'a RegExp': () => /x/u,
  'a Proxy': () => new Proxy({ a: 1 }, {}),
  'a Promise, a WeakMap': () => [Promise.resolve(), new WeakMap()],
}

function deep(levels: number): unknown {
  let value: unknown = 'bottom'
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? { value } : [value]
  return value
}

function cycle(): unknown {
  const value: Record<string, unknown> = { name: 'cycle' }
  value.self = { again: [value] }
  return value
}

function sparse(): unknown {
  const array: unknown[] = [1]
  array[5] = 'six'
  return array
}

function assertNever(): never {
  throw new TypeError('no')
}
