import fc from 'fast-check'

/** A record with a field of every Avro type. */
export const everyTypeSchema = {
  type: 'record',
  name: 'Everything',
  namespace: 'test',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'nothing', type: 'null' },
    { name: 'flag', type: 'boolean' },
    { name: 'count', type: 'int' },
    { name: 'price', type: 'double' },
    { name: 'ratio', type: 'float' },
    { name: 'title', type: 'string' },
    { name: 'raw', type: 'bytes' },
    { name: 'key', type: { type: 'fixed', name: 'Key', size: 4 } },
    { name: 'colour', type: { type: 'enum', name: 'Colour', symbols: ['RED', 'GREEN'] } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'note', type: ['null', 'string'], default: null },
    { name: 'numbers', type: { type: 'array', items: 'long' } },
    { name: 'labels', type: { type: 'map', values: ['null', 'string', { type: 'array', items: 'null' }] } },
    { name: 'children', type: { type: 'array', items: 'Everything' } },
  ],
}

const key = fc.string().filter((text) => text !== '__proto__')
const text = fc.string({ unit: 'grapheme' })

const leaf = {
  id: fc.maxSafeInteger(),
  nothing: fc.constant(null),
  flag: fc.boolean(),
  count: fc.integer(),
  price: fc.double({ noNaN: true }),
  ratio: fc.float({ noNaN: true }),
  title: text,
  raw: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  key: fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
  colour: fc.constantFrom('RED', 'GREEN'),
  at: fc.date({ noInvalidDate: true, min: new Date(-(2 ** 52)), max: new Date(2 ** 52) }),
  note: fc.option(text),
  numbers: fc.array(fc.integer()),
  labels: fc.dictionary(key, fc.oneof(fc.constant(null), text, fc.array(fc.constant(null)))).map((map) => ({ ...map })),
}

const bottom = fc.record({ ...leaf, children: fc.constant([]) }, { noNullPrototype: true })

/** Values that fit the schema. */
export const everyType = fc.record({ ...leaf, children: fc.array(bottom, { maxLength: 2 }) }, { noNullPrototype: true })
