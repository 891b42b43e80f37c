import { AdminRequestError } from '../../errors.js'
import type { AuditEntry } from '../access/audit-log.js'
import type { Attribute } from '../mbean/mbean.js'
import type { ObjectName } from '../mbean/object-name.js'
import type { Context } from './context.js'
import { encodeValue } from './encode-value.js'
import { messageOf } from './fault.js'
import { unknownAttribute, withinTime } from './use-member.js'

/**
 * Writes an attribute. @returns the value that it had; `null` where that can't be read.
 * @throws {AdminRequestError} and what the MBean throws: then it is as it was.
 */
export async function write(
  name: ObjectName,
  attributeName: string,
  value: unknown,
  context: Context,
): Promise<unknown> {
  const entry = { principal: context.principal.name, address: context.address, mbean: name.text, member: attributeName }
  const bean = context.registry.get(name)
  const attribute = bean.attributes.get(attributeName)
  const refused = attribute && context.access.refusesWrite(context.principal, bean, attribute)
  if (attribute === undefined || attribute.write === undefined)
    throw unknownAttribute(attributeName, attribute, 'written')
  if (refused !== undefined) {
    context.audit.add({ action: 'refused', ...entry, outcome: refused })
    throw new AdminRequestError('forbidden', `${attributeName} can't be written: ${refused}`)
  }
  const { write } = attribute
  const old = await valueBefore(attribute, context)
  const change = { action: 'write', ...entry, old, new: attribute.audited(value) } as const
  const run = () => withinTime(attributeName, context.memberTimeout, () => write(value))
  await audited(change, context, run, attribute.isDelicate)
  return old
}

async function valueBefore(attribute: Attribute, context: Context): Promise<unknown> {
  const { read } = attribute
  if (read === undefined || context.access.refusesRead(context.principal, attribute) !== undefined) return null
  return encodeValue(await withinTime(attribute.name, context.memberTimeout, read), context.limits)
}

/** Runs what changes something, and notes what came of it; without the error's text where that could tell what is delicate. */
export async function audited<T>(
  entry: Omit<AuditEntry, 'time' | 'outcome'>,
  { audit }: Context,
  run: () => Promise<T>,
  isDelicate: boolean,
): Promise<T> {
  try {
    const result = await run()
    audit.add({ ...entry, outcome: 'done' })
    return result
  } catch (error) {
    audit.add({ ...entry, outcome: isDelicate ? 'failed' : `failed: ${messageOf(error)}` })
    throw error
  }
}
