import { createSecretKey, type KeyObject } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { z } from 'zod'
import { type EncryptionKey, KEY_LENGTH } from '../record/transforms/key-ring.js'
import type { EncryptionSettings } from '../record/transforms/record-envelope.js'
import { isKeyId } from '../record/transforms/wrapped-record.js'
import { flag, keyNotes } from './key.js'

const MAX_KEYS = 32
/** A key in hex, with room for the end of the line. */
const MAX_FILE_BYTES = 200

const forms = `${KEY_LENGTH} random bytes as base64 (44 characters) or hex (64 characters)`

interface Problem {
  path: PropertyKey[]
  expected: string
}

/** The keys are read by hand: a schema's own messages could print what stands there. */
const keys = z.unknown().transform((value, context): EncryptionKey[] => {
  const { ring, problems } = readKeys(value)
  for (const { path, expected } of problems) {
    context.issues.push({ code: 'custom', message: expected, input: undefined, path })
  }
  return ring
})

const encryptionKeys = {
  keys: keys.optional().register(keyNotes, {
    type: 'list of `{ id, key }` or `{ id, file }`',
    default: 'none: no encryption',
    meaning:
      'The first encrypts, all decrypt. `id` is 1 to 32 of `A-Z a-z 0-9 _ . -` and stands in the records; `key` is 32 random bytes as base64 or hex, best from the environment; `file` is a file with that text, read at start and at each change at run time.',
  }),
  write: flag().prefault(true).register(keyNotes, {
    type: 'true or false',
    default: '`true`',
    meaning:
      '`false`: the keys only read, records are written unencrypted. For the first step from plain to encrypted records.',
  }),
  required: flag().optional().register(keyNotes, {
    type: 'true or false',
    default: 'true when records are encrypted',
    meaning:
      'Whether stored records that are not encrypted are refused as unreadable. `false` while sessions from before are still about.',
  }),
}

type Read = z.infer<z.ZodObject<typeof encryptionKeys>>

export const encryptionSchema = z
  .strictObject(encryptionKeys, { error: 'an object of encryption options' })
  .superRefine(({ keys, write, required }, context) => {
    if (required !== true) return
    const refuse = (message: string): void => context.addIssue({ code: 'custom', path: ['required'], message })
    if (keys === undefined) refuse('keys beside it: without, nothing can be encrypted')
    else if (!write) refuse('false, as with write: false this server would refuse its own records')
  })

/** Frozen; the keys don't show when it is printed. */
export function encryptionSettings({ keys = [], write, required }: Read): EncryptionSettings {
  return Object.freeze({
    keys: Object.freeze(keys),
    write,
    required: required ?? (keys.length > 0 && write),
  })
}

function readKeys(value: unknown): { ring: EncryptionKey[]; problems: Problem[] } {
  const problems: Problem[] = []
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_KEYS) {
    problems.push({ path: [], expected: `a list of 1 to ${MAX_KEYS} keys, each { id, key } or { id, file }` })
    return { ring: [], problems }
  }
  const ring = value.flatMap((entry, index) => {
    const result = readEntry(entry)
    if (!Array.isArray(result)) return result
    problems.push(...result.map(({ path, expected }) => ({ path: [index, ...path], expected })))
    return []
  })
  const twice = ring.findIndex(({ id }, index) => ring.findIndex((other) => other.id === id) < index)
  if (twice !== -1) problems.push({ path: [], expected: 'keys with different ids' })
  return { ring, problems }
}

function readEntry(entry: unknown): EncryptionKey | Problem[] {
  const whole = [{ path: [], expected: '{ id, key } or { id, file }' }]
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return whole
  const { id, key, file, ...unknown } = entry as Record<string, unknown>
  if (Object.keys(unknown).length > 0 || (key === undefined) === (file === undefined)) return whole
  const problems: Problem[] = []
  if (typeof id !== 'string' || !isKeyId(id)) problems.push({ path: ['id'], expected: '1 to 32 of A-Z a-z 0-9 _ . -' })
  const read = file === undefined ? readKey(key, 'key', forms) : readFile(file)
  if ('expected' in read) problems.push(read)
  return problems.length > 0 ? problems : { id: id as string, key: read as KeyObject }
}

function readFile(file: unknown): KeyObject | Problem {
  const expected = `a file with ${forms}`
  if (typeof file !== 'string' || file === '') return { path: ['file'], expected }
  try {
    return readKey(beginningOf(file), 'file', expected)
  } catch (error) {
    /* Without its message, which has the path: somebody may have put the key there. */
    return { path: ['file'], expected: `${expected}; it can't be read: ${(error as NodeJS.ErrnoException).code}` }
  }
}

/* No more than a key may have: the path may be wrong, and the file as large as a disk, or without an end. */
function beginningOf(file: string): string {
  const handle = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(MAX_FILE_BYTES)
    return bytes.toString('latin1', 0, readSync(handle, bytes, 0, MAX_FILE_BYTES, null))
  } finally {
    closeSync(handle)
  }
}

function readKey(text: unknown, at: string, expected: string): KeyObject | Problem {
  const bytes = typeof text === 'string' ? parseKey(text.trim()) : undefined
  return bytes === undefined ? { path: [at], expected } : createSecretKey(bytes)
}

/* Node's own reading of hex and base64 skips what it doesn't know. */
function parseKey(text: string): Buffer | undefined {
  if (/^[0-9A-Fa-f]{64}$/.test(text)) return Buffer.from(text, 'hex')
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined
}
