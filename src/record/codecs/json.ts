import type { AttributeCodec } from '../attribute-codec.js'
import { PROTOTYPE_KEY, removePrototypeKey } from './prototype-key.js'

/** `__proto__` as a key, written plainly or with any of its characters escaped. */
const SUSPECT = /_|\\u005[fF]/

/**
 * JSON as UTF-8, with JSON's known losses: a Date comes back as its ISO text, `undefined` and functions are
 * not stored, NaN is null. Throws on cycles, BigInt and throwing `toJSON`.
 */
export const jsonCodec = {
  id: 'json',

  encode(value: unknown): Buffer | undefined {
    const text = JSON.stringify(value)
    return text === undefined ? undefined : Buffer.from(text, 'utf8')
  },

  decode(bytes: Buffer): unknown {
    const text = bytes.toString('utf8')
    return mayNamePrototype(text) ? JSON.parse(text, withoutPrototype) : JSON.parse(text)
  },
} satisfies AttributeCodec

/**
 * Whether JSON.parse may make an own property of a "__proto__" key, harmless until somebody merges the object into
 * another: such keys never leave here. Removing them costs, so only texts that may hold one pay for it.
 */
export function mayNamePrototype(text: string): boolean {
  return text.includes(PROTOTYPE_KEY) || (text.includes('\\u') && SUSPECT.test(text))
}

function withoutPrototype(this: unknown, _key: string, value: unknown): unknown {
  if (typeof value === 'object' && value !== null) removePrototypeKey(value)
  return value
}
