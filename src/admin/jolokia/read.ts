import { AdminRequestError } from '../../errors.js'
import type { MBean } from '../mbean/mbean.js'
import { type ObjectName, printName } from '../mbean/object-name.js'
import type { Context } from './context.js'
import { faultOf } from './fault.js'
import type { Parameters } from './parameters.js'
import type { AttributeSelection } from './request.js'
import { readAttribute } from './use-member.js'

/** Attributes of one MBean, or of all that a pattern describes. @throws {AdminRequestError} and what MBeans throw. */
export async function read(
  name: ObjectName,
  attributes: AttributeSelection,
  context: Context,
  parameters: Parameters,
): Promise<unknown> {
  if (name.isPattern) return readMatching(name, attributes, context, parameters)
  const bean = context.registry.get(name)
  if (attributes.kind === 'one') {
    return readAttribute(bean.attributes.get(attributes.name), attributes.name, context, parameters)
  }
  const names = attributes.kind === 'some' ? attributes.names : readable(bean, context)
  return readSeveral(bean, names, context, parameters)
}

/** MBeans that have none of the attributes are left out. */
async function readMatching(
  pattern: ObjectName,
  attributes: AttributeSelection,
  context: Context,
  parameters: Parameters,
): Promise<Map<string, unknown>> {
  const asked =
    attributes.kind === 'one' ? [attributes.name] : attributes.kind === 'some' ? attributes.names : undefined
  const values = new Map<string, unknown>()
  for (const bean of context.registry.query(pattern)) {
    const names = readable(bean, context).filter((name) => asked?.includes(name) ?? true)
    if (names.length === 0) continue
    values.set(printName(bean.name, parameters.canonicalNaming), await readSeveral(bean, names, context, parameters))
  }
  if (values.size === 0)
    throw new AdminRequestError('unknown-mbean', `no MBean with such attributes is a ${pattern.text}`)
  return values
}

async function readSeveral(
  bean: MBean,
  names: readonly string[],
  context: Context,
  parameters: Parameters,
): Promise<Map<string, unknown>> {
  const values = new Map<string, unknown>()
  for (const name of names) {
    try {
      values.set(name, await readAttribute(bean.attributes.get(name), name, context, parameters))
    } catch (error) {
      if (!parameters.ignoreErrors) throw error
      values.set(name, faultOf(error))
    }
  }
  return values
}

/** What "all attributes" means for whoever asks. */
function readable(bean: MBean, { access, principal }: Context): string[] {
  const found = [...bean.attributes.values()].filter((attribute) => {
    return attribute.read !== undefined && access.refusesRead(principal, attribute) === undefined
  })
  return found.map((attribute) => attribute.name)
}
