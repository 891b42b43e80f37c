import { UnreadableRecordError, UnserializableError } from '../errors.js'
import type { AttributeCodec } from '../record/attribute-codec.js'
import {
  type AttributeSection,
  decodeSection,
  type EncodedAttribute,
  emptySection,
  encodeSection,
  isStorableName,
} from '../record/record-format.js'

/** One attribute of a session while somebody works with it. */
export interface Attribute {
  readonly name: string
  /** The stored form as of the last commit; `undefined`: it has none. */
  encoded: EncodedAttribute | undefined
  /** Meaningful when `decoded`. */
  value: unknown
  decoded: boolean
  /** Assigned since the last commit. */
  assigned: boolean
  /** The value has no stored form, by choice (filter) or by nature, and lives in this server's memory only. */
  memoryOnly: boolean
}

/** How attributes become bytes and come back, and which of them do. */
export interface AttributeRules {
  /** Writes new values. */
  readonly codec: AttributeCodec
  /** Reads stored values, by the id that the record names. */
  readonly codecs: ReadonlyMap<string, AttributeCodec>
  /** Names of the attributes that are stored; `undefined`: all. */
  readonly filter: RegExp | undefined
}

/** Told of each attribute that can't be serialised; the others are not affected. */
export type OnUnserializable = (error: UnserializableError) => void

/**
 * The attributes of one session on this server, shared by all its requests. Between requests there is only the
 * packed section; it is unpacked when first used, and each value decoded when first read.
 */
export class Attributes {
  private packed: AttributeSection
  private map: Map<string, Attribute> | undefined
  private memoryOnly: Attribute[] | undefined
  private assigned: Attribute[] = none
  private removed = false

  constructor(section: AttributeSection = emptySection) {
    this.packed = section
  }

  /** The committed attributes in stored form. */
  get section(): AttributeSection {
    return this.packed
  }

  get isEmpty(): boolean {
    return this.unpacked().size === 0
  }

  get(name: string): Attribute | undefined {
    return this.unpacked().get(name)
  }

  has(name: string): boolean {
    return this.unpacked().has(name)
  }

  names(): string[] {
    return [...this.unpacked().keys()]
  }

  set(name: string, value: unknown): Attribute {
    const map = this.unpacked()
    let attribute = map.get(name)
    if (attribute === undefined) {
      attribute = { name, encoded: undefined, value, decoded: true, assigned: false, memoryOnly: false }
      map.set(name, attribute)
    }
    attribute.value = value
    attribute.decoded = true
    this.markAssigned(attribute)
    return attribute
  }

  delete(name: string): boolean {
    const map = this.unpacked()
    const attribute = map.get(name)
    if (attribute === undefined) return false
    attribute.assigned = false
    this.removed = true
    return map.delete(name)
  }

  /** Whether an assignment or a removal waits for a commit. */
  get isAssigned(): boolean {
    return this.removed || this.assigned.length > 0
  }

  /**
   * Turns assigned values, and those of `handedOut` that were changed inside, into bytes. One that can't be
   * serialised is reported, keeps the stored form that it had, and its value stays in memory.
   * @returns whether the stored form of the session is another than before.
   */
  commit(handedOut: readonly Attribute[], rules: AttributeRules, onUnserializable: OnUnserializable): boolean {
    let changed = this.removed
    for (const attribute of handedOut) if (this.reencodeHandedOut(attribute, rules, onUnserializable)) changed = true
    for (const attribute of this.assigned) {
      if (attribute.assigned && reencode(attribute, rules, onUnserializable)) changed = true
      attribute.assigned = false
    }
    this.assigned = none
    this.removed = false
    if (!changed) return false
    const section = encodeSection(this.encodedAttributes())
    changed = !section.equals(this.packed)
    if (changed) this.packed = section
    return changed
  }

  /** Puts another stored state in the place of this one. What was not committed is lost. */
  replace(section: AttributeSection): void {
    this.pack()
    this.packed = section
    if (this.memoryOnly !== undefined) this.memoryOnly = this.memoryOnly.filter((a) => a.encoded === undefined)
  }

  /** Forgets decoded values, unless something waits for a commit; for when no request works with the session. */
  compact(): void {
    if (!this.isAssigned) this.pack()
  }

  private pack(): void {
    if (this.map === undefined) return
    this.memoryOnly = memoryOnlyOf(this.map)
    this.map = undefined
    this.assigned = none
    this.removed = false
  }

  private unpacked(): Map<string, Attribute> {
    if (this.map !== undefined) return this.map
    const map = new Map<string, Attribute>()
    for (const encoded of decodeSection(this.packed)) {
      const { name } = encoded
      map.set(name, { name, encoded, value: undefined, decoded: false, assigned: false, memoryOnly: false })
    }
    for (const attribute of this.memoryOnly ?? none) map.set(attribute.name, attribute)
    this.map = map
    return map
  }

  private markAssigned(attribute: Attribute): void {
    if (attribute.assigned) return
    attribute.assigned = true
    if (this.assigned === none) this.assigned = [attribute]
    else this.assigned.push(attribute)
  }

  /*
   * A request may hold a value that it got before the attributes were packed away or replaced. If it changed that value
   * inside, the change counts as an assignment; if it did not, it has nothing to say.
   */
  private reencodeHandedOut(attribute: Attribute, rules: AttributeRules, onUnserializable: OnUnserializable): boolean {
    if (attribute.assigned) return false
    const map = this.unpacked()
    const current = map.get(attribute.name)
    if (current === undefined || !reencode(attribute, rules, onUnserializable)) return false
    if (current !== attribute) map.set(attribute.name, attribute)
    return true
  }

  private encodedAttributes(): EncodedAttribute[] {
    const list: EncodedAttribute[] = []
    for (const { encoded } of this.unpacked().values()) if (encoded !== undefined) list.push(encoded)
    return list
  }
}

/** The value of an attribute, decoded at the first call. @throws whatever the codec throws, or when there is none by that id. */
export function decodedValue(attribute: Attribute, rules: AttributeRules): unknown {
  if (attribute.decoded) return attribute.value
  const encoded = attribute.encoded as EncodedAttribute
  const codec = rules.codecs.get(encoded.codec)
  if (codec === undefined) {
    throw new UnreadableRecordError('codec', `attribute ${JSON.stringify(attribute.name)} needs codec ${encoded.codec}`)
  }
  attribute.value = codec.decode(encoded.bytes)
  attribute.decoded = true
  return attribute.value
}

const none: Attribute[] = []

function memoryOnlyOf(map: Map<string, Attribute>): Attribute[] | undefined {
  let kept: Attribute[] | undefined
  for (const attribute of map.values()) {
    if (!attribute.memoryOnly) continue
    kept ??= []
    kept.push(attribute)
  }
  return kept
}

/** Brings the stored form up to date; whether it is another than before. */
function reencode(attribute: Attribute, rules: AttributeRules, onUnserializable: OnUnserializable): boolean {
  const before = attribute.encoded
  attribute.memoryOnly = true
  if (rules.filter !== undefined && !rules.filter.test(attribute.name)) {
    attribute.encoded = undefined
    return before !== undefined
  }
  let bytes: Uint8Array | undefined
  try {
    bytes = encodeValue(attribute, rules.codec)
  } catch (cause) {
    onUnserializable(new UnserializableError(attribute.name, { cause }))
    return false
  }
  if (bytes === undefined) {
    attribute.encoded = undefined
    return before !== undefined
  }
  attribute.memoryOnly = false
  if (before !== undefined && before.codec === rules.codec.id && before.bytes.equals(bytes)) return false
  attribute.encoded = { name: attribute.name, codec: rules.codec.id, bytes: asBuffer(bytes) }
  return true
}

function encodeValue(attribute: Attribute, codec: AttributeCodec): Uint8Array | undefined {
  if (!isStorableName(attribute.name)) throw new RangeError('its name is too long')
  return codec.encode(attribute.value)
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
