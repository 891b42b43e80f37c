import type { z } from 'zod'
import type { ConfigProblem } from '../errors.js'
import { carriedProblem } from './node-keys.js'
import { isSecretPath, onOneLine, printPath, printValue, redactCredentials } from './redaction.js'
import { optionsSchema } from './schema.js'
import { suggestion } from './suggestion.js'

/** Keys that other session managers use for what stands under another name here. */
const otherNames = new Map([
  ['memcachedNodes', 'nodes'],
  ['sticky', 'mode'],
  ['jvmRoute', 'route'],
  ['maxInactiveInterval', 'idleTimeout'],
  ['ttl', 'idleTimeout'],
  ['sessionBackupAsync', 'backup.mode'],
  ['sessionBackupTimeout', 'backup.timeout'],
  ['backupThreadCount', 'backup.concurrency'],
  ['requestUriIgnorePattern', 'ignore'],
  ['sessionAttributeFilter', 'attributes'],
  ['transcoderFactoryClass', 'codec'],
  ['storageKeyPrefix', 'keyPrefix'],
  ['enableStatistics', 'statistics'],
  ['prefix', 'keyPrefix'],
  ['keys', 'secret'],
])

/** Cookie options of express-session that are none here, and what there is instead. */
const otherCookieKeys = new Map([
  ['expires', '; an age is relative: use "maxAge"'],
  ['encode', '; ids need no encoding'],
  ['signed', '; the signature is within the id'],
])

/** A problem with what stands at a path, in the form that errors show: readable and without secrets. */
export function problemAt(path: readonly PropertyKey[], value: unknown, expected: string): ConfigProblem {
  return { path: printPath(path) || 'options', value: printValue(value, path), expected }
}

/** Turns what the schema found into problems. `raw` is what was checked: the values that are shown come from there. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], raw: unknown): ConfigProblem[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(issue.path, key))
    const carried = issue.code === 'custom' ? carriedProblem(issue.params) : undefined
    if (carried !== undefined) return [carriedForPrinting(carried, valueAt(raw, issue.path))]
    return [problemAt(issue.path, valueAt(raw, issue.path), issue.message)]
  })
}

function carriedForPrinting({ path, value, expected }: ConfigProblem, raw: unknown): ConfigProblem {
  const readable = typeof raw === 'string' || Array.isArray(raw)
  const shown = readable ? onOneLine(redactCredentials(value)) : printValue(raw, [])
  return { path: onOneLine(path), value: shown, expected }
}

/** The value of an unknown key is not shown: it may be a secret under a mistyped name. */
function unknownKey(parent: readonly PropertyKey[], key: string): ConfigProblem {
  const path = [...parent, key]
  if (isSecretPath(path)) return problemAt(path, undefined, 'no such key')
  const instead = parent.length === 1 && parent[0] === 'cookie' ? otherCookieKeys.get(key) : undefined
  if (instead !== undefined) return problemAt(path, undefined, `no key of this name${instead}`)
  const close = (parent.length === 0 ? otherNames.get(key) : undefined) ?? suggestion(key, knownKeys(parent))
  const hint = close === undefined ? '' : `; did you mean "${close}"?`
  return problemAt(path, undefined, `no key of this name${hint}`)
}

function knownKeys(parent: readonly PropertyKey[]): string[] {
  const { shape } = optionsSchema
  if (parent.length === 0) return Object.keys(shape)
  if (parent[0] === 'cookie') return Object.keys(shape.cookie.unwrap().shape)
  if (parent[0] === 'compression') return Object.keys(shape.compression.unwrap().shape)
  if (parent[0] === 'encryption') return Object.keys(shape.encryption.unwrap().shape)
  if (parent[0] === 'adopt') return Object.keys(shape.adopt.unwrap().shape)
  if (parent[0] === 'newcomers') return Object.keys(shape.newcomers.unwrap().shape)
  if (parent[0] === 'activity') return Object.keys(shape.activity.unwrap().shape)
  if (parent[0] === 'backup') return Object.keys(shape.backup.unwrap().shape)
  return parent[0] === 'admin' && parent.length === 1 ? Object.keys(shape.admin.unwrap().shape) : []
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return value
}
