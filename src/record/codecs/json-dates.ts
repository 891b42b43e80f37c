import { types } from 'node:util'
import type { AttributeCodec } from '../attribute-codec.js'
import { mayNamePrototype } from './json.js'
import { removePrototypeKey } from './prototype-key.js'

/*
 * A Date is stored as a text that no text of the application's can be: one that begins with the character U+0000. Texts that begin
 * with it themselves get another one in front.
 *
 *   "\0d1760000000000"   a Date, milliseconds since the epoch; "\0dNaN": an invalid one
 *   "\0\0rest"           the text "\0rest"
 */
const MARK = '\0'
const DATE = '\0d'
/** How the mark stands in JSON; a text without it holds nothing to restore. */
const WRITTEN_MARK = '\\u0000'
const TIME = /^(?:-?\d{1,16}|NaN)$/

/** As the JSON codec, and Dates come back as Dates. Has an id of its own, as its texts mean something else. */
export const jsonDatesCodec = {
  id: 'json-dates',

  encode(value: unknown): Buffer | undefined {
    const text = JSON.stringify(value, marked)
    return text === undefined ? undefined : Buffer.from(text, 'utf8')
  },

  decode(bytes: Buffer): unknown {
    const text = bytes.toString('utf8')
    return text.includes(WRITTEN_MARK) || mayNamePrototype(text) ? JSON.parse(text, restored) : JSON.parse(text)
  },
} satisfies AttributeCodec

/* JSON.stringify has called `toJSON` before: a Date is seen in its holder only. An invalid one became null by then. */
function marked(this: Record<string, unknown>, key: string, value: unknown): unknown {
  if (typeof value !== 'string' && value !== null) return value
  const own = this[key]
  if (types.isDate(own)) return DATE + own.getTime()
  return typeof value === 'string' && value.startsWith(MARK) ? MARK + value : value
}

function restored(this: unknown, _key: string, value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith(MARK) ? restoredText(value) : value
  if (typeof value === 'object' && value !== null) removePrototypeKey(value)
  return value
}

function restoredText(text: string): unknown {
  if (text[1] === MARK) return text.slice(1)
  const time = text.slice(DATE.length)
  if (!text.startsWith(DATE) || !TIME.test(time)) throw new SyntaxError('a text is marked as something unknown')
  return new Date(Number(time))
}
