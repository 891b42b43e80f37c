import { AdminRequestError } from '../../errors.js'
import { type MBean, type Operation, shownArguments } from '../mbean/mbean.js'
import { type ObjectName, printName } from '../mbean/object-name.js'
import type { Context } from './context.js'
import { faultOf, isRefusal } from './fault.js'
import type { Parameters } from './parameters.js'
import { withinTime } from './use-member.js'
import { audited } from './write.js'

export interface Call {
  readonly operation: string
  /** Type names of the arguments, where the client gave them. */
  readonly signature: string | undefined
  readonly args: readonly unknown[]
}

/**
 * Calls an operation. A pattern calls it on every MBean that it describes: the results, or errors, by name.
 * @throws {AdminRequestError} and what the MBean throws.
 */
export async function exec(name: ObjectName, call: Call, context: Context, parameters: Parameters): Promise<unknown> {
  if (!name.isPattern) return callOne(context.registry.get(name), call, context)
  const beans = context.registry.query(name)
  if (beans.length === 0) throw new AdminRequestError('unknown-mbean', name.text)
  const able = beans.filter((bean) => bean.operations.has(call.operation))
  if (able.length === 0) throw unknownOperation(call)
  const results = new Map<string, unknown>()
  for (const bean of able) {
    results.set(printName(bean.name, parameters.canonicalNaming), await callOrFault(bean, call, context))
  }
  return results
}

async function callOrFault(bean: MBean, call: Call, context: Context): Promise<unknown> {
  try {
    return await callOne(bean, call, context)
  } catch (error) {
    if (isRefusal(error, 'forbidden') || isRefusal(error, 'bad-request')) throw error
    return faultOf(error)
  }
}

async function callOne(bean: MBean, call: Call, context: Context): Promise<unknown> {
  const operation = bean.operations.get(call.operation)
  if (operation === undefined || !signatureFits(operation, call.signature)) throw unknownOperation(call)
  const { principal, address } = context
  const entry = { principal: principal.name, address, mbean: bean.name.text, member: operation.name }
  const refused = context.access.refusesCall(principal, bean, operation)
  if (refused !== undefined) {
    context.audit.add({ action: 'refused', ...entry, outcome: refused })
    throw new AdminRequestError('forbidden', `${operation.name} can't be called: ${refused}`)
  }
  const run = () => withinTime(operation.name, context.memberTimeout, () => operation.invoke(call.args))
  const secret = operation.args.some((argument) => argument.secret)
  const result = await audited(
    { action: 'exec', ...entry, arguments: shownArguments(operation, call.args) },
    context,
    run,
    secret,
  )
  return result ?? null
}

function signatureFits(operation: Operation, signature: string | undefined): boolean {
  if (signature === undefined) return true
  const asked = signature.split(',').map((type) => type.trim())
  return asked.filter((type) => type !== '').join() === operation.args.map(({ type }) => type.java).join()
}

function unknownOperation({ operation, signature }: Call): AdminRequestError {
  const form = signature === undefined ? operation : `${operation}(${signature})`
  return new AdminRequestError('unknown-operation', `there is no operation ${form}`)
}
