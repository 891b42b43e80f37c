import { isDeepStrictEqual } from 'node:util'
import { ConfigError, type ConfigProblem } from '../errors.js'
import type { NodeAddress } from '../node/address/node-address.js'
import { toAdminSettings } from './admin-keys.js'
import { impossibleCombinations } from './combinations.js'
import { compressionSettings } from './compression-keys.js'
import { encryptionSettings } from './encryption-keys.js'
import type { HoldfastOptions } from './options.js'
import { problemAt, problemsOf } from './problems.js'
import { hideFromPrinting, redacted } from './redaction.js'
import { type CookieFunction, checkedCookieFunction, cookieSettings } from './request-cookie.js'
import { fixedKeys, optionsSchema } from './schema.js'
import type { Settings } from './settings.js'

export type { HoldfastOptions } from './options.js'

/**
 * Checks options and fills in the defaults. The result is frozen; its secrets and credentials don't show when it
 * is printed.
 *
 * @param source where the options come from, for the error's first line.
 * @throws {ConfigError} with every problem, not only the first.
 */
export function parseSettings(options: HoldfastOptions | undefined, source = 'the options'): Settings {
  const checked = checkOptions(options ?? {})
  if (checked.settings === undefined) throw new ConfigError(source, checked.problems)
  return checked.settings
}

/** Every problem of something that should be options; an empty list means that it can be used. */
export function findProblems(options: unknown): readonly ConfigProblem[] {
  return checkOptions(options).problems
}

/**
 * Applies a change to options while they are in use. Keys of the change replace the current ones, objects in `cookie`, `backup`,
 * `locking`, `compression` and `encryption` key by key; `undefined` goes back to the default. The whole is checked again; the current options stay as they are.
 *
 * @param inForce the settings that result from the current options: codecs are taken from there, not read from their files again.
 * @throws {ConfigError} when the result can't be used, or when the change would give a key that can't be changed
 * while running (mode, route, embed, name, keyPrefix, genid, codec, admin) another value.
 */
export function changeSettings(
  current: HoldfastOptions,
  change: Partial<HoldfastOptions>,
  inForce?: Settings,
): { options: HoldfastOptions; settings: Settings } {
  const source = 'the change of the configuration'
  if (!isObject(change)) throw new ConfigError(source, [problemAt([], change, 'an object of options')])
  const refused = fixedKeys.filter((key) => Object.hasOwn(change, key) && !sameSetting(key, current[key], change[key]))
  const allowed = Object.fromEntries(Object.entries(change).filter(([key]) => !refused.some((fixed) => fixed === key)))
  const options = merge(current, allowed)
  const checked = checkOptions(inForce === undefined ? options : { ...options, codec: inForce.codec })
  const problems = [
    ...refused.map((key) => problemAt([key], change[key], "no change: it can't be changed while running")),
    ...checked.problems,
  ]
  if (checked.settings === undefined || problems.length > 0) throw new ConfigError(source, problems)
  return { options, settings: checked.settings }
}

function sameSetting(key: (typeof fixedKeys)[number], before: unknown, after: unknown): boolean {
  if (isDeepStrictEqual(before, after)) return true
  const schema = optionsSchema.shape[key]
  const [old, changed] = [schema.safeParse(before), schema.safeParse(after)]
  return old.success && changed.success && isDeepStrictEqual(old.data, changed.data)
}

function merge(current: HoldfastOptions, change: Partial<HoldfastOptions>): HoldfastOptions {
  const merged = { ...current, ...change }
  if (isObject(current.cookie) && isObject(change.cookie)) merged.cookie = { ...current.cookie, ...change.cookie }
  if (isObject(current.backup) && isObject(change.backup)) merged.backup = { ...current.backup, ...change.backup }
  if (isObject(current.locking) && isObject(change.locking)) merged.locking = { ...current.locking, ...change.locking }
  if (isObject(current.compression) && isObject(change.compression)) {
    merged.compression = { ...current.compression, ...change.compression }
  }
  if (isObject(current.encryption) && isObject(change.encryption)) {
    merged.encryption = { ...current.encryption, ...change.encryption }
  }
  return merged
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

interface Checked {
  /** Absent when there are problems. */
  settings?: Settings
  problems: readonly ConfigProblem[]
}

function checkOptions(given: unknown): Checked {
  const cookieFunction = isObject(given) && 'cookie' in given && isFunction(given.cookie) ? given.cookie : undefined
  /* While such a function fails, the defaults apply. */
  const raw = cookieFunction === undefined ? given : { ...(given as object), cookie: undefined }
  const result = optionsSchema.safeParse(raw)
  const issues = result.success ? [] : result.error.issues
  const readable = result.success ? result.data : readablePart(raw)
  const problems = [...problemsOf(issues, raw), ...impossibleCombinations(readable)]
  return result.success && problems.length === 0
    ? { settings: toSettings(result.data, cookieFunction), problems }
    : { problems }
}

function isFunction(value: unknown): value is CookieFunction {
  return typeof value === 'function'
}

function adoptSettings({ cookie, secret, store, until }: NonNullable<Read['adopt']>): Settings['adopt'] {
  return Object.freeze({ cookie, secret: Object.freeze(hideFromPrinting(secret, redacted)), store, until })
}

type Read = ReturnType<typeof optionsSchema.parse>

/** The keys that can be read although others can't: so that their combinations are checked in the same go. */
function readablePart(raw: unknown): Partial<Read> {
  if (!isObject(raw)) return {}
  const entries = Object.entries(optionsSchema.shape).flatMap(([key, schema]) => {
    const result = schema.safeParse((raw as Record<string, unknown>)[key])
    return result.success ? [[key, result.data]] : []
  })
  return Object.fromEntries(entries)
}

function toSettings(read: Read, cookieFunction: CookieFunction | undefined): Settings {
  const { resave: _resave, store: _store, ...keys } = read
  return Object.freeze({
    ...keys,
    route: keys.route,
    embed: keys.embed && Object.freeze(keys.embed),
    genid: keys.genid,
    proxy: keys.proxy,
    wait: keys.wait && Object.freeze(keys.wait),
    nearCache: keys.nearCache && Object.freeze(keys.nearCache),
    ignore: keys.ignore,
    newcomers: keys.newcomers && Object.freeze(keys.newcomers),
    activity: keys.activity && Object.freeze({ except: keys.activity.except }),
    adopt: keys.adopt && adoptSettings(keys.adopt),
    attributes: keys.attributes,
    merge: keys.merge,
    nodes: Object.freeze(keys.nodes.map(sealAddress)),
    failoverNodes: Object.freeze(keys.failoverNodes),
    secret: Object.freeze(hideFromPrinting(keys.secret, redacted)),
    cookie: Object.freeze(cookieSettings(keys.cookie)),
    cookieFor: cookieFunction && checkedCookieFunction(cookieFunction),
    backup: Object.freeze(keys.backup),
    locking: Object.freeze({ ...keys.locking, pattern: keys.locking.pattern, except: keys.locking.except }),
    compression: Object.freeze(compressionSettings(keys.compression)),
    encryption: encryptionSettings(keys.encryption),
    admin: keys.admin && toAdminSettings(keys.admin),
  })
}

function sealAddress(address: NodeAddress): NodeAddress {
  return Object.freeze(hideFromPrinting({ ...address }, { id: address.id, address: address.label }))
}
