import { AdminRequestError } from '../../errors.js'
import { globMatches } from '../mbean/glob.js'
import type { Attribute, MBean, Operation, Right } from '../mbean/mbean.js'
import { nameMatches, type ObjectName, parseObjectName } from '../mbean/object-name.js'
import type { Principal } from './principal.js'

interface Allowed {
  name: ObjectName
  member: string
}

/** A pattern of members: `<MBean pattern>/<member pattern>`. @throws {AdminRequestError} when it is none. */
export function parseMemberPattern(text: string): Allowed {
  const slash = text.lastIndexOf('/')
  const member = text.slice(slash + 1)
  if (slash === -1 || !/^[\w*?]{1,64}$/.test(member)) {
    throw new AdminRequestError('bad-request', `${JSON.stringify(text)}: expected <MBean>/<attribute or operation>`)
  }
  return { name: parseObjectName(text.slice(0, slash)), member }
}

/** Who may use which member. Each question is answered by the reason why not, or `undefined`: allowed. */
export class MemberAccess {
  private readonly readOnly: boolean
  private readonly allowed: readonly Allowed[] | undefined

  constructor(settings: { readOnly: boolean; allow?: readonly string[] | undefined }) {
    this.readOnly = settings.readOnly
    this.allowed = settings.allow?.map(parseMemberPattern)
  }

  refusesRead(principal: Principal, attribute: Attribute): string | undefined {
    return refusal(principal, attribute.right)
  }

  refusesWrite(principal: Principal, bean: MBean, attribute: Attribute): string | undefined {
    const refused = this.refusesChange(principal, bean, attribute.name)
    return refused ?? refusal(principal, attribute.writeRight) ?? refusal(principal, attribute.right)
  }

  refusesCall(principal: Principal, bean: MBean, operation: Operation): string | undefined {
    if (operation.right === 'viewer' || operation.right === 'values') return refusal(principal, operation.right)
    return this.refusesChange(principal, bean, operation.name) ?? refusal(principal, operation.right)
  }

  private refusesChange(principal: Principal, bean: MBean, member: string): string | undefined {
    if (this.readOnly) return 'this endpoint is read-only'
    const missing = refusal(principal, 'operator')
    if (missing !== undefined || this.allowed === undefined) return missing
    const allowed = this.allowed.some((a) => nameMatches(a.name, bean.name) && globMatches(a.member, member))
    return allowed ? undefined : `${bean.name.text}/${member} is not in the list of what may be changed`
  }
}

function refusal(principal: Principal, right: Right): string | undefined {
  switch (right) {
    case 'viewer':
      return undefined
    case 'operator':
      return principal.role === 'operator' ? undefined : 'that needs the role operator'
    case 'values':
      return principal.values ? undefined : 'that needs the right to see values of session attributes'
    case 'nodes':
      return principal.nodes ? undefined : 'that needs the right to choose the storage nodes'
  }
}
