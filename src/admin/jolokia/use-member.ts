import { AdminRequestError } from '../../errors.js'
import type { Attribute } from '../mbean/mbean.js'
import type { Context } from './context.js'
import type { Parameters } from './parameters.js'

/**
 * Runs code of an MBean, for at most so many milliseconds. What takes longer goes on, and its outcome is not waited for.
 * @throws {AdminRequestError} `timeout`, and whatever the MBean throws.
 */
export async function withinTime<T>(what: string, timeout: number, run: () => T | Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new AdminRequestError('timeout', `${what} takes longer than ${timeout} ms`)
    timer = setTimeout(() => reject(error), timeout)
    timer.unref()
  })
  try {
    return await Promise.race([run(), late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * The value of an attribute, as the MBean gives it.
 * @throws {AdminRequestError} `unknown-attribute` for one that can't be read, `forbidden`, `timeout`.
 */
export async function readAttribute(
  attribute: Attribute | undefined,
  name: string,
  context: Context,
  { longAsText }: Parameters,
): Promise<unknown> {
  const read = attribute?.read
  if (attribute === undefined || read === undefined) throw unknownAttribute(name, attribute, 'read')
  const refused = context.access.refusesRead(context.principal, attribute)
  if (refused !== undefined) throw new AdminRequestError('forbidden', `${name} can't be read: ${refused}`)
  const value = await withinTime(name, context.memberTimeout, read)
  return longAsText && attribute.type.java === 'long' && typeof value === 'number' ? String(value) : value
}

export function unknownAttribute(name: string, attribute: Attribute | undefined, use: string): AdminRequestError {
  const message = attribute === undefined ? `there is no attribute ${name}` : `the attribute ${name} can't be ${use}`
  return new AdminRequestError('unknown-attribute', message)
}
