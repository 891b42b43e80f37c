import { createSecretKey, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { KeyRing } from '../../../src/record/transforms/key-ring.js'
import { parseWrapped } from '../../../src/record/transforms/wrapped-record.js'

const material = randomBytes(32)
const key = { id: 'k1', key: createSecretKey(material) }
const content = Buffer.from('content')

function encrypt(ring: KeyRing, body = content): Buffer {
  return ring.encrypt(body, { compression: 0, plainLength: body.length }, 'under')
}

/** What makes subkey and nonce: the same twice would be the end of both. */
function nonceOf(bytes: Buffer): string {
  const { keyId, salt, number } = parseWrapped(bytes).encryption as NonNullable<
    ReturnType<typeof parseWrapped>['encryption']
  >
  return `${keyId} ${salt.toString('hex')} ${number}`
}

describe('a key ring', () => {
  it('uses no nonce twice in 100,000 records', () => {
    const ring = new KeyRing([key])
    const nonces = new Set<string>()
    for (let i = 0; i < 100_000; i++) nonces.add(nonceOf(encrypt(ring)))
    expect(nonces.size).toBe(100_000)
  })

  it('draws a new subkey before the numbers of one run out', () => {
    const ring = new KeyRing([key], 10)
    const nonces = Array.from({ length: 35 }, () => nonceOf(encrypt(ring)))
    expect(new Set(nonces).size).toBe(35)
    expect(new Set(nonces.map((nonce) => nonce.split(' ')[1])).size).toBe(4)
    expect(nonces.every((nonce) => Number(nonce.split(' ')[2]) < 10)).toBe(true)
  })

  it('has a subkey of its own, as has each process: the same record never looks the same', () => {
    const rings = Array.from({ length: 50 }, () => new KeyRing([key]))
    const records = rings.map((ring) => encrypt(ring))
    expect(new Set(records.map((bytes) => nonceOf(bytes).split(' ')[1])).size).toBe(50)
    expect(new Set(records.map((bytes) => parseWrapped(bytes).body.toString('hex'))).size).toBe(50)
  })

  it('reads what more processes have written than it remembers', () => {
    const reader = new KeyRing([key])
    const records = Array.from({ length: 1200 }, () => encrypt(new KeyRing([key])))
    for (const bytes of [...records, ...records.slice(0, 50)]) {
      expect(reader.decrypt(parseWrapped(bytes), 'under')).toEqual(content)
    }
  })

  it('does not encrypt under the configured key itself', () => {
    const body = Buffer.alloc(64)
    const ring = new KeyRing([key])
    const streams = [encrypt(ring, body), encrypt(new KeyRing([key]), body)].map((bytes) => parseWrapped(bytes).body)
    expect(streams[0]).not.toEqual(streams[1])
  })

  it('does not show its keys when it is printed', () => {
    const ring = new KeyRing([key])
    encrypt(ring)
    const printed = `${inspect(ring, { depth: 10, showHidden: true })} ${JSON.stringify(ring)} ${JSON.stringify(key)}`
    for (const form of ['hex', 'base64', 'latin1'] as const) expect(printed).not.toContain(material.toString(form))
    expect(printed).not.toContain(inspect(material).slice(8, 30))
  })
})
