import { type AttributeSection, type EncodedAttribute, encodeSection } from '../../src/record/attribute-section.js'
import type { ChangeStamp } from '../../src/session/attributes.js'

/** Of what the process under test does in tests that have no engine. */
export const testProcess = 'tester'

/** A stamp of a moment in 2023: later in the section it is put into, whatever that is. */
export function testStamp(): ChangeStamp {
  return { now: 1_700_000_000_000, process: testProcess, forgetBefore: 0 }
}

/** Attributes that were all written by one process at one time, in milliseconds. */
export function sectionWith(attributes: readonly EncodedAttribute[], time = 1_700_000_000_000): AttributeSection {
  return encodeSection(attributes.map((attribute) => ({ ...attribute, time, process: testProcess })))
}
