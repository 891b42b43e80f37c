import type { Announcer } from './announcer.js'
import type { ConfirmDialog, Question } from './confirm-dialog.js'
import type { JolokiaClient } from './jolokia-client.js'
import type { Permissions, Setting } from './permissions.js'
import { controlFor, fromText, settingName, toText, withUnit } from './setting-value.js'
import { beans } from './snapshot.js'

export interface Operation {
  mbean: string
  name: string
  args?: readonly unknown[]
}

interface ActionParts {
  client: JolokiaClient
  dialog: ConfirmDialog
  announcer: Announcer
  /** Called when something was changed. */
  onChange: () => void
}

/** Whatever the page can have done: asks first, does it, and tells what came of it. */
export class Actions {
  permissions: Permissions
  private readonly parts: ActionParts

  constructor(parts: ActionParts, permissions: Permissions) {
    this.parts = parts
    this.permissions = permissions
  }

  can(name: string, mbean: string = beans.manager): boolean {
    return this.permissions.canInvoke(mbean, name)
  }

  /** Asks, calls an operation and says `done`. @returns whether it was done. */
  async confirmed(question: Question, operation: Operation, done: (value: unknown) => string): Promise<boolean> {
    return (await this.parts.dialog.ask(question)) && (await this.done(operation, done))
  }

  /** Calls an operation and says `done`. @returns whether it was done. */
  async done(operation: Operation, done: (value: unknown) => string): Promise<boolean> {
    const result = await this.call(operation)
    if (result === undefined) return false
    this.parts.announcer.done(done(result.value))
    this.parts.onChange()
    return true
  }

  /** Calls an operation; `undefined`: it failed, and that was told. */
  call({ mbean, name, args = [] }: Operation): Promise<{ value: unknown } | undefined> {
    return this.attempt(() => this.parts.client.ask({ type: 'exec', mbean, operation: name, arguments: args }))
  }

  /** Asks for a new value of a setting, and writes it. */
  async change({ mbean, name, type, description }: Setting, current: unknown): Promise<void> {
    const label = settingName(mbean, name)
    const question = {
      title: `Change “${label}”`,
      text: 'It takes effect at once, on this server only, and until it restarts.',
      action: 'Change',
    }
    const field = { label, control: controlFor(type), value: toText(current), help: description }
    const text = await this.parts.dialog.askFor(question, field)
    if (text === undefined) return
    const value = fromText(text, type)
    const result = await this.attempt(() => this.parts.client.ask({ type: 'write', mbean, attribute: name, value }))
    if (result === undefined) return
    this.parts.announcer.done(
      `${label} is now ${withUnit(value, description)}, and was ${withUnit(result.value, description)}.`,
    )
    this.parts.onChange()
  }

  private async attempt(ask: () => Promise<unknown>): Promise<{ value: unknown } | undefined> {
    try {
      return { value: await ask() }
    } catch (error) {
      this.parts.announcer.failed(`That did not work: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }
}
