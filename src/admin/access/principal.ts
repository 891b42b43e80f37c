import type { Role } from '../admin-settings.js'

/** Who asks. */
export interface Principal {
  /** For the audit log. */
  readonly name: string
  readonly role: Role
  /** Whether the values of session attributes may be seen. */
  readonly values: boolean
  /** Whether an operator may choose the storage nodes, which is where all values go. */
  readonly nodes: boolean
}
