import { z } from 'zod'
import { key, keyNotes, text } from './key.js'
import type { AdoptStore } from './settings.js'

function readSecrets(value: unknown): string[] | undefined {
  const secrets: unknown = typeof value === 'string' ? [value] : value
  if (!Array.isArray(secrets) || secrets.length === 0 || secrets.length > 100) return undefined
  return secrets.every((secret) => typeof secret === 'string' && secret !== '') ? [...secrets] : undefined
}

function readStore(value: unknown): AdoptStore | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { get, destroy } = value as Record<string, unknown>
  return typeof get === 'function' && typeof destroy === 'function' ? (value as AdoptStore) : undefined
}

function readTime(value: unknown): number | undefined {
  const isTime = typeof value === 'number' || typeof value === 'string' || value instanceof Date
  const time = isTime ? new Date(value).getTime() : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

const adoptKeys = {
  cookie: text("a cookie name: letters, digits and !#$%&'*+-.^_`|~", /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/)
    .prefault('connect.sid')
    .register(keyNotes, {
      type: 'text',
      default: '`connect.sid`',
      meaning: 'Name of the cookie that express-session has set.',
    }),
  secret: key('the secret of express-session, or a list of them', readSecrets).register(keyNotes, {
    type: 'text or list of texts',
    default: 'required',
    meaning: 'With which express-session has signed it.',
  }),
  store: key('a store of express-session: an object with get and destroy', readStore).register(keyNotes, {
    type: 'store',
    default: 'required',
    meaning: 'The store of express-session, as it was configured there. Only in JavaScript.',
  }),
  until: key('a date: a Date, its text, or milliseconds since the epoch', readTime).optional().register(keyNotes, {
    type: 'date',
    default: 'none',
    meaning: 'From then on nothing is looked for any more. When the last cookie from before has expired.',
  }),
}

export const adoptSchema = z.strictObject(adoptKeys, { error: 'an object { cookie, secret, store, until }' })
