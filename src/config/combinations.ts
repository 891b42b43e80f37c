import { type AdminSettings, credentialsExpected, isOpenToOthers } from '../admin/admin-settings.js'
import type { ConfigProblem } from '../errors.js'
import type { LockSettings } from '../lock/lock-settings.js'
import { problemAt } from './problems.js'
import type { CookieSettings, Settings } from './settings.js'

/** What was read of a configuration: keys that are missing or wrong are absent. */
type Readable = Partial<
  Pick<Settings, 'nodes' | 'failoverNodes' | 'name' | 'wait' | 'nearCache' | 'operationTimeout'> & {
    cookie: Cookie
    locking: Locking
    admin: Admin | undefined
  }
>

type Admin = Pick<AdminSettings, 'auth' | 'readOnly'> & Partial<Pick<AdminSettings, 'listen' | 'allow'>>

type Cookie = Pick<CookieSettings, 'httpOnly' | 'secure' | 'sameSite' | 'partitioned' | 'path'> & {
  domain?: string | undefined
}

type Locking = Pick<LockSettings, 'mode'> & { pattern?: RegExp | undefined }

/** Finds settings that are sound each by itself and can't work together. */
export function impossibleCombinations(settings: Readable): ConfigProblem[] {
  const { nodes, failoverNodes, cookie, name, locking, wait, nearCache, operationTimeout, admin } = settings
  return [
    ...(nodes === undefined || failoverNodes === undefined ? [] : failoverProblems(nodes, failoverNodes)),
    ...(wait === undefined || operationTimeout === undefined ? [] : waitProblems(wait, operationTimeout)),
    ...(nearCache === undefined || nodes === undefined ? [] : nearCacheProblems(nodes)),
    ...(cookie === undefined ? [] : insecureCookie(cookie)),
    ...(cookie === undefined || name === undefined ? [] : prefixProblems(name, cookie)),
    ...(locking === undefined ? [] : lockingProblems(locking)),
    ...(admin === undefined ? [] : adminProblems(admin)),
  ]
}

function adminProblems(admin: Admin): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  if (isOpenToOthers(admin) && admin.listen !== undefined) {
    problems.push(problemAt(['admin', 'listen'], `${admin.listen.host}:${admin.listen.port}`, credentialsExpected))
  }
  if (admin.allow !== undefined && admin.readOnly) {
    problems.push(problemAt(['admin', 'readOnly'], true, 'false where admin.allow names what may be changed'))
  }
  const names = [...admin.auth.users, ...admin.auth.tokens].map(({ name }) => name)
  if (new Set(names).size < names.length) {
    problems.push(problemAt(['admin', 'auth'], undefined, 'a different name for each user and token'))
  }
  return problems
}

function failoverProblems(nodes: Settings['nodes'], failoverNodes: readonly string[]): ConfigProblem[] {
  const ids = nodes.flatMap((node) => node.id ?? [])
  const known = ids.length === 0 ? 'none: the nodes have no ids' : `one of ${ids.join(', ')}`
  const unknown = failoverNodes
    .filter((id) => !ids.includes(id))
    .map((id) => problemAt(['failoverNodes'], id, `ids of configured nodes (${known})`))
  if (unknown.length > 0 || failoverNodes.length === 0) return unknown
  const regular = ids.filter((id) => !failoverNodes.includes(id))
  if (regular.length > 0) return []
  const expected =
    nodes.length === 1 ? 'none, as there is one node only' : 'at least one node that is not a failover node'
  return [problemAt(['failoverNodes'], failoverNodes.join(' '), expected)]
}

/** A write can have to let another one's waiting pass before its own. */
function waitProblems({ timeout }: NonNullable<Settings['wait']>, operationTimeout: number): ConfigProblem[] {
  if (timeout * 2 <= operationTimeout) return []
  const expected = `at most half of operationTimeout (${operationTimeout} ms)`
  return [problemAt(['wait', 'timeout'], `${timeout}ms`, expected)]
}

function nearCacheProblems(nodes: Settings['nodes']): ConfigProblem[] {
  if (nodes.some(({ scheme }) => scheme === 'redis')) return []
  const labels = nodes.map(({ label }) => label).join(', ')
  return [problemAt(['nearCache'], undefined, `at least one node on Redis with it; the nodes are ${labels}`)]
}

function insecureCookie(cookie: Cookie): ConfigProblem[] {
  if (cookie.secure !== false) return []
  const problems: ConfigProblem[] = []
  if (cookie.sameSite === 'none') {
    problems.push(
      problemAt(['cookie', 'secure'], false, 'true or "auto" with sameSite "none": browsers drop the cookie'),
    )
  }
  if (cookie.partitioned) {
    problems.push(problemAt(['cookie', 'secure'], false, 'true or "auto" with partitioned: browsers drop the cookie'))
  }
  return problems
}

/** RFC 6265bis, section 4.1.3: what browsers ask of cookies whose names have these prefixes, in any case. `Http-` forbids scripts. */
function prefixProblems(name: string, cookie: Cookie): ConfigProblem[] {
  const prefix = /^__(host|secure|http)-(http-)?/i.exec(name)
  if (prefix === null) return []
  const kind = prefix[1]?.toLowerCase()
  const because = `with the cookie name ${JSON.stringify(name)}: browsers drop the cookie`
  const problems: ConfigProblem[] = []
  if (cookie.secure === false) problems.push(problemAt(['cookie', 'secure'], false, `true or "auto" ${because}`))
  const forServersOnly = kind === 'http' || (kind === 'host' && prefix[2] !== undefined)
  if (forServersOnly && !cookie.httpOnly) problems.push(problemAt(['cookie', 'httpOnly'], false, `true ${because}`))
  if (kind !== 'host') return problems
  if (cookie.path !== '/') problems.push(problemAt(['cookie', 'path'], cookie.path, `"/" ${because}`))
  if (cookie.domain !== undefined) problems.push(problemAt(['cookie', 'domain'], cookie.domain, `no domain ${because}`))
  return problems
}

function lockingProblems({ mode, pattern }: Locking): ConfigProblem[] {
  if (mode !== 'uri' || pattern !== undefined) return []
  return [problemAt(['locking', 'pattern'], undefined, 'a pattern of the URLs that lock, with the mode "uri"')]
}
