import { attribute } from '../admin/mbean/mbean.js'
import type { ValueType } from '../admin/mbean/value-type.js'
import type { HoldfastOptions } from '../config/parse-settings.js'
import type { Settings } from '../config/settings.js'
import type { Managed } from './managed.js'

export interface SettingDeclaration<T> {
  type: ValueType<T>
  description: string
  read: (settings: Settings) => T
  /** What to change in the configuration. @throws what `illegalArgument(…)` makes. */
  change: (value: T) => Partial<HoldfastOptions>
  /** See `AttributeDeclaration`. */
  audited?: (value: unknown) => unknown
  writeRight?: 'nodes'
}

/** An attribute that is a setting: written, it goes through `reconfigure`, which checks the configuration as a whole. */
export function setting<T>(managed: Managed, declaration: SettingDeclaration<T>) {
  const { type, description, read, change, audited, writeRight } = declaration
  return attribute({
    type,
    description,
    read: () => read(managed.manager.context.settings),
    write: (value) => managed.reconfigure(change(value)),
    ...(audited && { audited }),
    ...(writeRight && { writeRight }),
  })
}

const YEARS = 3650 * 86_400_000

/** The bounds of durations in the configuration's schema, which has the last word. */
export const longest = { idle: YEARS, day: 86_400_000, hour: 3_600_000, minute: 60_000, lock: 600_000 } as const

/** A pattern as text, `/…/flags`; empty: none. Reads as the configuration does. */
export function patternText(pattern: RegExp | undefined): string {
  return pattern === undefined ? '' : String(pattern)
}

/** What a written pattern stands for; empty: none. */
export function patternOption(text: string): string | undefined {
  return text === '' ? undefined : text
}
