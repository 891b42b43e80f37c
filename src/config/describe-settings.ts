import type { NodeAddress } from '../node/address/node-address.js'
import { formatDuration } from './duration.js'
import { redacted } from './redaction.js'
import type { Settings } from './settings.js'
import { formatSize } from './size.js'

/** Settings by key path (`backup.timeout`) as people write them, in the order of the reference. */
export type DescribedSettings = Record<string, string>

/** The effective settings for printing, without secrets. */
export function describeSettings(settings: Settings): DescribedSettings {
  const { cookie, backup, locking, compression, encryption } = settings
  const secrets = settings.secret.length
  return {
    secret: `${redacted} (${secrets === 1 ? 'one' : secrets})`,
    mode: settings.mode,
    route: settings.route ?? 'none',
    nodes: settings.nodes.map(describeNode).join(' '),
    failoverNodes: settings.failoverNodes.join(' ') || 'none',
    embed: describeEmbedded(settings.embed),
    name: settings.name,
    ...(settings.cookieFor && { cookie: 'a function; if it fails:' }),
    'cookie.path': cookie.path,
    'cookie.domain': cookie.domain ?? 'none',
    'cookie.httpOnly': String(cookie.httpOnly),
    'cookie.secure': String(cookie.secure),
    'cookie.sameSite': String(cookie.sameSite),
    'cookie.maxAge': durationOrNone(cookie.maxAge ?? 0),
    'cookie.partitioned': String(cookie.partitioned),
    'cookie.priority': cookie.priority ?? 'none',
    cacheControl: String(settings.cacheControl),
    clearCookie: String(settings.clearCookie),
    rolling: String(settings.rolling),
    saveUninitialized: String(settings.saveUninitialized),
    unset: settings.unset,
    genid: settings.genid === undefined ? 'none' : 'a function',
    proxy: stringOr("as Express' trust proxy says", settings.proxy),
    idleTimeout: durationOrNone(settings.idleTimeout),
    absoluteTimeout: durationOrNone(settings.absoluteTimeout),
    renewIdAfter: durationOrNone(settings.renewIdAfter),
    trustFor: formatDuration(settings.trustFor),
    maxActiveSessions: settings.maxActiveSessions === 0 ? 'none' : String(settings.maxActiveSessions),
    maxSessionBytes: formatSize(settings.maxSessionBytes),
    'backup.mode': backup.mode,
    'backup.timeout': formatDuration(backup.timeout),
    'backup.delay': formatDuration(backup.delay),
    'backup.concurrency': String(backup.concurrency),
    'backup.maxPendingBytes': formatSize(backup.maxPendingBytes),
    'backup.touchAfter': String(backup.touchAfter),
    'backup.attempts': String(backup.attempts),
    'backup.onUnstorable': backup.onUnstorable,
    'backup.protectRate': String(backup.protectRate),
    'locking.mode': locking.mode,
    'locking.pattern': stringOr('none', locking.pattern),
    'locking.except': stringOr('none', locking.except),
    'locking.expiry': formatDuration(locking.expiry),
    'locking.timeout': formatDuration(locking.timeout),
    'locking.onTimeout': locking.onTimeout,
    'locking.maxWaiters': String(locking.maxWaiters),
    ...describeWait(settings.wait),
    ...describeNearCache(settings.nearCache),
    ignore: stringOr('none', settings.ignore),
    ...describeNewcomers(settings.newcomers),
    ...describeActivity(settings.activity),
    ...describeAdopt(settings.adopt),
    attributes: stringOr('all', settings.attributes),
    'compression.algorithm': compression.algorithm,
    'compression.threshold': formatSize(compression.threshold),
    'compression.level': compression.algorithm === 'off' ? 'none' : String(compression.level),
    'compression.maxInflatedBytes': formatSize(compression.maxInflatedBytes),
    'encryption.keys': encryption.keys.map(({ id }) => id).join(' ') || 'none',
    'encryption.write': String(encryption.write),
    'encryption.required': String(encryption.required),
    codec: settings.codec.description,
    keyPrefix: settings.keyPrefix,
    operationTimeout: formatDuration(settings.operationTimeout),
    probeInterval: formatDuration(settings.probeInterval),
    enabled: String(settings.enabled),
    statistics: String(settings.statistics),
    ...describeAdmin(settings.admin),
  }
}

function describeAdmin(admin: Settings['admin']): DescribedSettings {
  if (admin === undefined) return { admin: 'off' }
  const { listen, auth } = admin
  const people = [...auth.users, ...auth.tokens].map(({ name, role }) => `${name} (${role})`)
  return {
    'admin.listen': listen === undefined ? 'none' : printEndpoint(listen),
    'admin.auth': people.join(' ') || 'nobody',
    'admin.readOnly': String(admin.readOnly),
    'admin.allow': admin.allow?.join(' ') ?? 'all',
    'admin.allowedHosts': admin.allowedHosts.join(' ') || 'none',
    'admin.allowedOrigins': admin.allowedOrigins.join(' ') || 'none',
    'admin.health': admin.health.public ? 'public' : 'for those who log in',
    'admin.rate': String(admin.limits.rate),
  }
}

function describeNode(address: NodeAddress): string {
  return address.id === undefined ? address.label : `${address.id}:${address.label}`
}

function describeWait(wait: Settings['wait']): DescribedSettings {
  if (wait === undefined) return { wait: 'none' }
  const { replicas, timeout } = wait
  return { 'wait.replicas': String(replicas), 'wait.timeout': formatDuration(timeout), 'wait.for': wait.for }
}

function describeAdopt(adopt: Settings['adopt']): DescribedSettings {
  if (adopt === undefined) return { adopt: 'none' }
  const until = adopt.until === undefined ? 'none' : new Date(adopt.until).toISOString()
  return { 'adopt.cookie': adopt.cookie, 'adopt.secret': redacted, 'adopt.store': 'set', 'adopt.until': until }
}

function describeActivity(activity: Settings['activity']): DescribedSettings {
  if (activity === undefined) return { activity: 'all requests' }
  return { 'activity.except': stringOr('none', activity.except) }
}

function describeNewcomers(newcomers: Settings['newcomers']): DescribedSettings {
  if (newcomers === undefined) return { newcomers: 'as everybody' }
  return {
    'newcomers.idleTimeout': formatDuration(newcomers.idleTimeout),
    'newcomers.perSecond': newcomers.perSecond === 0 ? 'none' : String(newcomers.perSecond),
  }
}

function describeNearCache(nearCache: Settings['nearCache']): DescribedSettings {
  if (nearCache === undefined) return { nearCache: 'off' }
  return {
    'nearCache.maxBytes': formatSize(nearCache.maxBytes),
    'nearCache.maxAge': formatDuration(nearCache.maxAge),
  }
}

function describeEmbedded(embed: Settings['embed']): string {
  if (embed === undefined) return 'none'
  return `${printEndpoint(embed)}, memory limit ${formatSize(embed.memoryLimit)}`
}

function printEndpoint({ host, port }: { host: string; port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function durationOrNone(duration: number): string {
  return duration === 0 ? 'none' : formatDuration(duration)
}

function stringOr(missing: string, value: RegExp | boolean | undefined): string {
  return value === undefined ? missing : String(value)
}
