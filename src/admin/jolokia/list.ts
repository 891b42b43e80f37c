import { AdminRequestError } from '../../errors.js'
import type { Attribute, MBean, Operation } from '../mbean/mbean.js'
import { parseObjectName } from '../mbean/object-name.js'
import type { Context } from './context.js'
import type { Parameters } from './parameters.js'

type Tree = { readonly [name: string]: unknown }

const members = ['attr', 'op', 'notif', 'class', 'desc']

/**
 * What there is: domains, MBeans, their attributes and operations, or the part of that which a path leads to. What whoever asks
 * may not write is told as read-only, what they may not call with `canInvoke: false`.
 * @throws {AdminRequestError} `unknown-mbean`, or `bad-request` for a path that leads deeper.
 */
export function list(path: readonly string[], context: Context, parameters: Parameters): unknown {
  const [domain = '*', properties = '*', member] = path
  if (path.length > 3) throw new AdminRequestError('bad-request', 'list: expected a path of at most three parts')
  if (member !== undefined && !members.includes(member)) {
    throw new AdminRequestError('bad-request', `list: the third part of a path is one of ${members.join(', ')}`)
  }
  const describe = (bean: MBean): unknown => {
    const info = describeBean(bean, context)
    return member === undefined ? info : info[member]
  }
  const whole = tree(select(domain, properties, context), describe, parameters)
  const found = domain === '*' ? whole : inDomain(Object.hasOwn(whole, domain) ? whole[domain] : {}, properties)
  if (parameters.listCache && path.length === 0) return { cache: {}, domains: found }
  return parameters.maxDepth === 0 ? found : truncate(found, parameters.maxDepth)
}

function select(domain: string, properties: string, { registry }: Context): MBean[] {
  if (domain !== '*' && properties !== '*') {
    const name = parseObjectName(`${domain}:${properties}`)
    return name.isPattern ? registry.query(name) : [registry.get(name)]
  }
  const ofDomain = registry.all().filter((bean) => domain === '*' || bean.name.domain === domain)
  if (properties === '*') return ofDomain
  return ofDomain.filter(
    (bean) => bean.name.canonical === parseObjectName(`${bean.name.domain}:${properties}`).canonical,
  )
}

function tree(beans: readonly MBean[], describe: (bean: MBean) => unknown, { canonicalNaming }: Parameters): Tree {
  const domains = new Map<string, Map<string, unknown>>()
  for (const bean of beans) {
    const { domain, canonical, propertyList } = bean.name
    const named = domains.get(domain) ?? new Map<string, unknown>()
    named.set(canonicalNaming ? canonical.slice(domain.length + 1) : propertyList, describe(bean))
    domains.set(domain, named)
  }
  return Object.fromEntries([...domains].map(([domain, named]) => [domain, Object.fromEntries(named)]))
}

/** One MBean's part where the path names it, whatever order its properties have there. */
function inDomain(domain: unknown, properties: string): unknown {
  const named = domain as Tree
  if (properties === '*' || parseObjectName(`d:${properties}`).isPattern) return named
  return Object.values(named)[0] ?? {}
}

function describeBean(bean: MBean, context: Context): Tree {
  return {
    class: bean.className,
    desc: bean.description,
    attr: Object.fromEntries([...bean.attributes].map(([name, a]) => [name, describeAttribute(a, bean, context)])),
    op: Object.fromEntries([...bean.operations].map(([name, o]) => [name, describeOperation(o, bean, context)])),
    notif: {},
  }
}

function describeAttribute(attribute: Attribute, bean: MBean, { access, principal }: Context) {
  const r = attribute.read !== undefined && access.refusesRead(principal, attribute) === undefined
  const w = attribute.write !== undefined && access.refusesWrite(principal, bean, attribute) === undefined
  return { type: attribute.type.java, desc: attribute.description, rw: r && w, r, w, is: false }
}

function describeOperation(operation: Operation, bean: MBean, { access, principal }: Context) {
  return {
    args: operation.args.map(({ name, type, description }) => ({ name, type: type.java, desc: description })),
    ret: operation.returns.java,
    desc: operation.description,
    canInvoke: access.refusesCall(principal, bean, operation) === undefined,
  }
}

/** What lies deeper than so many levels of objects becomes `"1"`. */
function truncate(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  if (depth === 0) return '1'
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, truncate(item, depth - 1)]))
}
