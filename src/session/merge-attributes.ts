import { type AttributeSection, decodeSection, type EncodedAttribute, encodeSection } from '../record/record-format.js'

/** What becomes of an attribute that both sides changed; `undefined` for one that is not there. */
export type Resolve = (
  name: string,
  base: EncodedAttribute | undefined,
  mine: EncodedAttribute | undefined,
  theirs: EncodedAttribute | undefined,
) => EncodedAttribute | undefined

/** Who keeps an attribute that both sides changed: the one who merges, what is stored, or what the function says. */
export type Preference = 'mine' | 'theirs' | Resolve

export interface MergeResult {
  section: AttributeSection
  /** Attributes of mine that were put on top. */
  applied: string[]
  /** Attributes that both sides changed, decided by the preference. */
  conflicts: string[]
}

/**
 * Three-way merge of whole attributes, never inside one: what `mine` changed since `base` goes on top of `theirs`.
 * "Changed" is decided by the stored bytes; a removal is a change.
 */
export function mergeAttributes(
  base: AttributeSection,
  mine: AttributeSection,
  theirs: AttributeSection,
  preference: Preference,
): MergeResult {
  const before = byName(base)
  const changes = byName(mine)
  const result = byName(theirs)
  const applied: string[] = []
  const conflicts: string[] = []
  for (const name of new Set([...before.keys(), ...changes.keys()])) {
    const change = changes.get(name)
    if (same(change, before.get(name)) || same(change, result.get(name))) continue
    const conflict = !same(before.get(name), result.get(name))
    if (conflict) conflicts.push(name)
    if (conflict && preference === 'theirs') continue
    applied.push(name)
    const outcome =
      conflict && typeof preference === 'function'
        ? preference(name, before.get(name), change, result.get(name))
        : change
    if (outcome === undefined) result.delete(name)
    else result.set(name, outcome)
  }
  return { section: applied.length === 0 ? theirs : encodeSection(result.values()), applied, conflicts }
}

function byName(section: AttributeSection): Map<string, EncodedAttribute> {
  return new Map(decodeSection(section).map((attribute) => [attribute.name, attribute]))
}

function same(a: EncodedAttribute | undefined, b: EncodedAttribute | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.codec === b.codec && a.bytes === b.bytes
}
