import { AdminRequestError } from '../../errors.js'
import { type ObjectName, parseObjectName } from './object-name.js'
import type { ValueType } from './value-type.js'

/**
 * What somebody needs to use a member: `viewer`, any role; `values`, the right to see the values of session attributes;
 * `operator`, that role; `nodes`, the right to decide where sessions are stored, which shows all values to whoever chooses the place.
 * Operations for `operator` change something: a read-only endpoint refuses them.
 */
export type Right = 'viewer' | 'values' | 'operator' | 'nodes'

export interface AttributeDeclaration<T> {
  type: ValueType<T>
  description: string
  /** Left out: write-only. */
  read?: () => T | Promise<T>
  /** Left out: read-only. Writing needs the role operator. @throws what `illegalArgument(…)` makes when the value can't be used. */
  write?: (value: T) => void | Promise<void>
  /** What reading needs, and writing, too. Default `viewer`. */
  right?: 'viewer' | 'values'
  /** What writing needs on top of the role operator. Default: nothing. */
  writeRight?: 'nodes' | 'values'
  /**
   * How the audit log shows a value that is written, where that may hold credentials; why a write failed is then left out. Default: see
   * `shownValue`.
   */
  audited?: (value: unknown) => unknown
  /** Its values never leave: it can't be read, and the audit log hides what is written. Default false. */
  secret?: boolean
}

export interface Attribute {
  readonly name: string
  readonly type: ValueType<unknown>
  readonly description: string
  readonly right: Right
  readonly writeRight: Right
  readonly secret: boolean
  readonly audited: (value: unknown) => unknown
  /** Whether an error of a write may quote what does not belong into a log. */
  readonly isDelicate: boolean
  readonly read: (() => unknown) | undefined
  /** Converts, checks and applies a value. @throws {AdminRequestError} and whatever the MBean throws. */
  readonly write: ((value: unknown) => unknown) | undefined
}

export interface Argument<T> {
  readonly name: string
  readonly type: ValueType<T>
  readonly description: string
  /** Whether the audit log hides it. Default false. */
  readonly secret?: boolean
  /** How the audit log shows what was given, where that may be what does not belong there. Default: see `shownValue`. */
  readonly audited?: (value: unknown) => unknown
  /** Whether it may be left out; only further optional arguments may follow. Default false. */
  readonly optional?: boolean
}

export interface OperationDeclaration<A extends readonly unknown[], R> {
  description: string
  /** In the order of `invoke`'s arguments. Default none. */
  args?: { [K in keyof A]: Argument<A[K]> }
  returns: ValueType<R>
  /** What calling it needs. Default `operator`, which means that it changes something. */
  right?: Right
  invoke: (...args: A) => R | Promise<R>
}

export interface Operation {
  readonly name: string
  readonly description: string
  readonly args: readonly Argument<unknown>[]
  readonly returns: ValueType<unknown>
  readonly right: Right
  /** Converts and checks the arguments and calls. @throws {AdminRequestError} and whatever the MBean throws. */
  readonly invoke: (args: readonly unknown[]) => unknown
}

export interface MBean {
  readonly name: ObjectName
  readonly className: string
  readonly description: string
  readonly attributes: ReadonlyMap<string, Attribute>
  readonly operations: ReadonlyMap<string, Operation>
}

type Named<T> = (name: string) => T

export interface MBeanDeclaration {
  /** `holdfast:type=…`, of plain characters: letters, digits, `_`, `.`, `-`. */
  name: string
  /** The name of the class that clients are told. Default `holdfast.` and the value of the property `type`. */
  className?: string
  description: string
  attributes?: Record<string, Named<Attribute>>
  operations?: Record<string, Named<Operation>>
}

const plainName =
  /^[A-Za-z0-9_.-]{1,64}:[A-Za-z0-9_.-]{1,64}=[A-Za-z0-9_.-]{1,64}(,[A-Za-z0-9_.-]{1,64}=[A-Za-z0-9_.-]{1,64})*$/
const memberName = /^[A-Za-z][A-Za-z0-9]{0,63}$/

/**
 * Declares an MBean: its name, and its members by name (`attribute(…)`, `operation(…)`).
 * @throws {TypeError} when a name has other characters than plain ones.
 */
export function defineMBean(declaration: MBeanDeclaration): MBean {
  if (!plainName.test(declaration.name))
    throw new TypeError(`${JSON.stringify(declaration.name)} is no plain MBean name`)
  const name = parseObjectName(declaration.name)
  return {
    name,
    className: declaration.className ?? `holdfast.${name.properties.get('type') ?? 'MBean'}`,
    description: declaration.description,
    attributes: members(declaration.attributes ?? {}),
    operations: members(declaration.operations ?? {}),
  }
}

function members<T>(declared: Record<string, Named<T>>): Map<string, T> {
  return new Map(
    Object.entries(declared).map(([name, member]) => {
      if (!memberName.test(name))
        throw new TypeError(`${JSON.stringify(name)} is no name for an attribute or operation`)
      return [name, member(name)]
    }),
  )
}

/** Declares an attribute. @throws {TypeError} for one that nobody could use, or a secret one that could be read. */
export function attribute<T>(declaration: AttributeDeclaration<T>): Named<Attribute> {
  const { type, description, read, write, right = 'viewer', writeRight = 'operator', secret = false } = declaration
  const isDelicate = secret || declaration.audited !== undefined
  const audited = secret ? () => hidden : (declaration.audited ?? ((value: unknown) => shownValue(type, value)))
  if (secret ? write === undefined || read !== undefined : read === undefined && write === undefined) {
    throw new TypeError(
      `the attribute ${JSON.stringify(description)} can be neither read nor written, or tells a secret`,
    )
  }
  const convertAndWrite = write && ((value: unknown) => write(within('the value', () => type.convert(value))))
  return (name) => ({
    name,
    type,
    description,
    right,
    writeRight,
    secret,
    audited,
    isDelicate,
    read,
    write: convertAndWrite,
  })
}

const hidden = '[hidden]'

/** How the audit log shows arguments: what an operation does not take might be anything. */
export function shownArguments({ args }: Operation, given: readonly unknown[]): unknown[] {
  return given.map((value, index) => {
    const argument = args[index]
    if (argument === undefined) return `[not taken: ${kindOf(value)}]`
    if (argument.secret) return hidden
    return argument.audited === undefined ? shownValue(argument.type, value) : argument.audited(value)
  })
}

/** A value for the audit log: what is of the right type; of all else, which might be a secret in the wrong place, only its kind. */
function shownValue(type: ValueType<unknown>, value: unknown): unknown {
  try {
    const converted = type.convert(value)
    return typeof converted === 'object' && converted !== null ? `[${kindOf(value)}]` : converted
  } catch {
    return `[${kindOf(value)}]`
  }
}

function kindOf(value: unknown): string {
  if (typeof value === 'string') return `a text of ${value.length} characters`
  if (Array.isArray(value)) return `a list of ${value.length}`
  return value === null ? 'null' : typeof value
}

/** Declares an operation. There are no overloads: one name, one operation. */
export function operation<const A extends readonly unknown[], R>(
  declaration: OperationDeclaration<A, R>,
): Named<Operation> {
  const { description, returns, right = 'operator', invoke } = declaration
  const args = (declaration.args ?? []) as readonly Argument<unknown>[]
  const convertAndInvoke = (given: readonly unknown[]): unknown => invoke(...(convertAll(args, given) as unknown as A))
  return (name) => ({ name, description, args, returns, right, invoke: convertAndInvoke })
}

function convertAll(args: readonly Argument<unknown>[], given: readonly unknown[]): unknown[] {
  const required = args.filter(({ optional }) => !optional).length
  if (given.length < required || given.length > args.length) {
    const expected = required === args.length ? required : `${required} to ${args.length}`
    throw new AdminRequestError('bad-request', `got ${given.length} arguments, expected ${expected}`)
  }
  return given.map((value, index) => {
    const { name, type } = args[index] as Argument<unknown>
    return within(`the argument ${name}`, () => type.convert(value))
  })
}

/** Tells in an error which value it was. */
function within<T>(place: string, convert: () => T): T {
  try {
    return convert()
  } catch (error) {
    if (!(error instanceof AdminRequestError)) throw error
    throw new AdminRequestError(error.reason, `${place}: ${error.message}`)
  }
}
