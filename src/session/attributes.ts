import { UnreadableRecordError, UnserializableError } from '../errors.js'
import type { AttributeCodec } from '../record/attribute-codec.js'
import {
  type AttributeSection,
  type Change,
  changeSection,
  decodeSection,
  type EncodedAttribute,
  emptySection,
  findInSection,
  isReserved,
  isStorableName,
} from '../record/attribute-section.js'
import { type ByteString, fromByteString, toByteString } from '../record/byte-string.js'

/** More than this is a mistake of the application's, and would slow down everybody. */
const MAX_ATTRIBUTES = 10_000
/** Each search walks the section: who wants so many attributes is better off with all of them. */
const MAX_SEARCHES = 16

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
  /** Removed or replaced since: what a request still holds of it has nothing to say. */
  superseded: boolean
}

/** How attributes become bytes and come back, and which of them do. */
export interface AttributeRules {
  /** Writes new values of attributes without a codec of their own. */
  readonly codec: AttributeCodec
  /** The codec of an attribute's own; `undefined`: `codec` it is. */
  readonly codecFor?: ((name: string) => AttributeCodec | undefined) | undefined
  /** Reads stored values, by the id that the record names. */
  readonly codecs: ReadonlyMap<string, AttributeCodec>
  /** Names of the attributes that are stored; `undefined`: all. */
  readonly filter: RegExp | undefined
}

/** What writes new values of an attribute. */
export function writerOf(rules: AttributeRules, name: string): AttributeCodec {
  return rules.codecFor?.(name) ?? rules.codec
}

/**
 * Told of each attribute that can't be serialised; the others are not affected.
 * @param isNews it was set now, or could be serialised before
 */
export type OnUnserializable = (error: UnserializableError, isNews: boolean) => void

interface AttributesInUse {
  /** Those that are used; with `complete` all there are. */
  map: Map<string, Attribute>
  complete: boolean
  searches: number
  /** Assigned since the last commit. */
  assigned: Attribute[]
  /** Removed since the last commit. */
  removed: string[]
}

/** Decides whether what was changed under a lock may be committed: see `LockedChanges`. */
export interface Guard {
  /** Assigned or removed under the lock since the last commit. */
  readonly touched: ReadonlySet<string>
  allows(section: AttributeSection, names: Iterable<string>): boolean
  committed(section: AttributeSection, names: Iterable<string>): void
}

/** Told when the stored form grows or shrinks. */
export interface SizeTally {
  bytes: number
}

/** Who makes a change, and when. */
export interface ChangeStamp {
  /** The server's clock, in milliseconds. */
  readonly now: number
  /** See `Stamp`. */
  readonly process: string
  /** Removals of before that time can be forgotten: nobody has a copy that is older. */
  readonly forgetBefore: number
}

/**
 * The attributes of one session on this server, shared by all its requests. Between requests there is only the
 * packed section; each attribute is taken out of it when first used, and its value decoded when first read.
 */
export class Attributes {
  private packed: AttributeSection
  private memoryOnly: Attribute[] | undefined
  /** What the work with the attributes needs; between requests there is none, for the sake of memory. */
  private use: AttributesInUse | undefined
  private tally: SizeTally | undefined
  /**
   * Nobody knows whether this is what the storage has: what is assigned or removed is a change also where it says the same as here, or others'
   * changes would outlive it.
   */
  isUncertain = false

  constructor(section: AttributeSection = emptySection) {
    this.packed = section
  }

  /** Counted in the sum from now on; `undefined`: in none. */
  countIn(tally: SizeTally | undefined): void {
    if (this.tally !== undefined) this.tally.bytes -= this.packed.length
    if (tally !== undefined) tally.bytes += this.packed.length
    this.tally = tally
  }

  /** The committed attributes in stored form. */
  get section(): AttributeSection {
    return this.packed
  }

  get isEmpty(): boolean {
    return this.all().size === 0
  }

  get(name: string): Attribute | undefined {
    const use = this.inUse()
    const attribute = use.map.get(name)
    if (attribute !== undefined || use.complete) return attribute
    use.searches++
    if (use.searches > MAX_SEARCHES) return this.all().get(name)
    const encoded = attributeIn(this.packed, name)
    return encoded === undefined ? undefined : unpack(encoded, use.map)
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  names(): string[] {
    return [...this.all().keys()]
  }

  set(name: string, value: unknown): Attribute {
    const attribute = this.get(name) ?? this.add(name)
    attribute.value = value
    attribute.decoded = true
    this.markAssigned(attribute)
    return attribute
  }

  delete(name: string): boolean {
    const map = this.all()
    const attribute = map.get(name)
    if (attribute === undefined) {
      if (this.isUncertain && !isReserved(name)) this.inUse().removed.push(name)
      return false
    }
    attribute.assigned = false
    attribute.superseded = true
    if (!isReserved(name)) this.inUse().removed.push(name)
    return map.delete(name)
  }

  /** Whether an assignment or a removal waits for a commit. */
  get isAssigned(): boolean {
    return this.use !== undefined && this.use.removed.length + this.use.assigned.length > 0
  }

  /**
   * Turns assigned values, and those of `handedOut` that were changed inside, into bytes. One that can't be
   * serialised is reported, keeps the stored form that it had, and its value stays in memory.
   * @param further the changes that go with these, asked for only when there are any
   * @param guards what is changed under locks: where it is not allowed, it is dropped, and the changes of others stay
   * @param own under which of them `handedOut` was changed
   * @returns whether the stored form of the session is another than before.
   */
  commit(
    handedOut: readonly Attribute[],
    rules: AttributeRules,
    onUnserializable: OnUnserializable,
    stamp: () => ChangeStamp,
    further: () => readonly Change[] = () => [],
    guards: Iterable<Guard> = [],
    own?: Guard,
  ): boolean {
    if (handedOut.length === 0 && !this.isAssigned) return false
    const use = this.inUse()
    let changes: Change[] = []
    for (const attribute of handedOut) {
      if (this.reencodeHandedOut(attribute, rules, onUnserializable)) changes.push(changeOf(attribute))
    }
    for (const attribute of use.assigned) {
      const isChange = attribute.assigned && reencode(attribute, rules, onUnserializable)
      if (isChange || (this.isUncertain && attribute.assigned && attribute.encoded !== undefined)) {
        changes.push({ ...changeOf(attribute), moved: use.removed.includes(attribute.name) })
      }
      attribute.assigned = false
      this.keepCopyOf(attribute, use.map)
    }
    /* What was assigned again after a removal is a change, unless it has no stored form. */
    for (const name of use.removed) if (use.map.get(name)?.encoded === undefined) changes.push(removalOf(name))
    use.assigned = []
    use.removed = []
    const allowed: [Guard, ReadonlySet<string>][] = []
    for (const guard of guards) {
      const inside = guard === own ? handedOut.filter(isIn(changes)).map(({ name }) => name) : []
      const names = new Set([...guard.touched, ...inside])
      if (guard.allows(this.packed, names)) allowed.push([guard, names])
      else {
        for (const name of names) this.forget(name)
        changes = changes.filter(({ name }) => !names.has(name))
      }
    }
    const isNew = changes.length > 0 && this.apply([...changes, ...further()], stamp())
    for (const [guard, names] of allowed) guard.committed(this.packed, names)
    return isNew
  }

  /** @returns whether the stored form is another than before. */
  apply(changes: readonly Change[], stamp: ChangeStamp): boolean {
    const section = changeSection(this.packed, changes, stamp, this.isUncertain)
    if (section === this.packed) return false
    this.put(section)
    return true
  }

  /** Puts another stored state in the place of this one. What was not committed is lost. */
  replace(section: AttributeSection): void {
    this.pack()
    this.put(section)
    this.memoryOnly = this.memoryOnly?.filter(
      ({ encoded, name }) => encoded === undefined && attributeIn(section, name) === undefined,
    )
  }

  /** Values that have no stored form, by name. */
  memoryOnlyValues(): Map<string, unknown> {
    const kept = this.use === undefined ? this.memoryOnly : memoryOnlyOf(this.use.map)
    return new Map((kept ?? none).map(({ name, value }) => [name, value]))
  }

  /** Forgets decoded values, unless something waits for a commit; for when no request works with the session. */
  compact(): void {
    if (!this.isAssigned) this.pack()
  }

  private put(section: AttributeSection): void {
    if (this.tally !== undefined) this.tally.bytes += section.length - this.packed.length
    this.packed = section
  }

  private pack(): void {
    if (this.use === undefined) return
    this.memoryOnly = memoryOnlyOf(this.use.map)
    for (const attribute of this.use.assigned) attribute.assigned = false
    this.use = undefined
  }

  private inUse(): AttributesInUse {
    if (this.use !== undefined) return this.use
    this.use = { map: new Map(), complete: false, searches: 0, assigned: [], removed: [] }
    for (const attribute of this.memoryOnly ?? none) this.use.map.set(attribute.name, attribute)
    return this.use
  }

  /* In the order of the section, so that what was used first does not change the order of the names. */
  private all(): Map<string, Attribute> {
    const use = this.inUse()
    const used = use.map
    if (use.complete) return used
    const map = new Map<string, Attribute>()
    for (const encoded of decodeSection(this.packed)) {
      const inUse = used.get(encoded.name)
      if (inUse === undefined) unpack(encoded, map)
      else map.set(encoded.name, inUse)
    }
    for (const [name, attribute] of used) map.set(name, attribute)
    use.map = map
    use.complete = true
    return map
  }

  /* As if it had not been used. */
  private forget(name: string): void {
    const { map } = this.inUse()
    const used = map.get(name)
    if (used !== undefined) used.superseded = true
    const encoded = attributeIn(this.packed, name)
    if (encoded === undefined) map.delete(name)
    else map.set(name, create(name, encoded))
  }

  /* The object itself stays the application's, which may have put it into other sessions too: from now on everybody gets what was committed. */
  private keepCopyOf(attribute: Attribute, map: Map<string, Attribute>): void {
    const { name, encoded, value, memoryOnly } = attribute
    if (memoryOnly || encoded === undefined || typeof value !== 'object' || value === null) return
    if (map.get(name) === attribute) map.set(name, create(name, encoded))
  }

  private add(name: string): Attribute {
    const map = this.all()
    if (map.size >= MAX_ATTRIBUTES) {
      throw new UnserializableError(name, {
        cause: new RangeError(`a session holds at most ${MAX_ATTRIBUTES} attributes`),
      })
    }
    const attribute = create(name, undefined)
    map.set(name, attribute)
    return attribute
  }

  private markAssigned(attribute: Attribute): void {
    if (attribute.assigned) return
    attribute.assigned = true
    this.inUse().assigned.push(attribute)
  }

  /*
   * A request may hold a value that it got before the attributes were packed away or replaced. If it changed that value
   * inside, the change counts as an assignment; if it did not, it has nothing to say.
   */
  private reencodeHandedOut(attribute: Attribute, rules: AttributeRules, onUnserializable: OnUnserializable): boolean {
    if (attribute.assigned) return false
    const current = this.get(attribute.name)
    if (current !== attribute && (current === undefined || current.assigned)) attribute.superseded = true
    if (attribute.superseded || !reencode(attribute, rules, onUnserializable)) return false
    if (current !== attribute) this.inUse().map.set(attribute.name, attribute)
    return true
  }
}

function isIn(changes: readonly Change[]): (attribute: Attribute) => boolean {
  return ({ name }) => changes.some((change) => change.name === name)
}

/* Under a reserved name nothing of the session's own is found, as its attribute lives in memory only. */
function attributeIn(section: AttributeSection, name: string): EncodedAttribute | undefined {
  return isReserved(name) ? undefined : findInSection(section, name)
}

function unpack(encoded: EncodedAttribute, map: Map<string, Attribute>): Attribute {
  const { name } = encoded
  const attribute = create(name, encoded)
  map.set(name, attribute)
  return attribute
}

function create(name: string, encoded: EncodedAttribute | undefined): Attribute {
  return { name, encoded, value: undefined, decoded: false, assigned: false, memoryOnly: false, superseded: false }
}

/* Without a stored form the attribute is not stored, so what was stored of it goes. */
function changeOf({ name, encoded }: Attribute): Change {
  return encoded ?? removalOf(name)
}

function removalOf(name: string): Change {
  return { name, codec: '', bytes: undefined }
}

/** The value of an attribute, decoded at the first call. @throws whatever the codec throws, or when there is none by that id. */
export function decodedValue(attribute: Attribute, rules: AttributeRules): unknown {
  if (attribute.decoded) return attribute.value
  attribute.value = decodeAttribute(attribute.encoded as EncodedAttribute, rules)
  attribute.decoded = true
  return attribute.value
}

/** The value of a stored attribute. @throws whatever the codec throws, or when there is none by that id. */
export function decodeAttribute({ name, codec, bytes }: EncodedAttribute, rules: AttributeRules): unknown {
  const reader = rules.codecs.get(codec)
  if (reader === undefined) {
    throw new UnreadableRecordError('codec', `attribute ${JSON.stringify(name)} needs codec ${codec}`)
  }
  return reader.decode(fromByteString(bytes), name)
}

/** The stored form of a value; `undefined`: it has none. @throws whatever the codec throws. */
export function encodeAttribute(name: string, value: unknown, rules: AttributeRules): EncodedAttribute | undefined {
  const codec = writerOf(rules, name)
  const bytes = codec.encode(value, name)
  return bytes === undefined ? undefined : { name, codec: codec.id, bytes: toByteString(bytes) }
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
  const isNews = attribute.assigned || !attribute.memoryOnly
  attribute.memoryOnly = true
  if (rules.filter !== undefined && !rules.filter.test(attribute.name)) {
    attribute.encoded = undefined
    return before !== undefined
  }
  const codec = writerOf(rules, attribute.name)
  let bytes: ByteString | undefined
  try {
    bytes = encodeValue(attribute, codec)
  } catch (cause) {
    onUnserializable(new UnserializableError(attribute.name, { cause }), isNews)
    return false
  }
  if (bytes === undefined) {
    attribute.encoded = undefined
    return before !== undefined
  }
  attribute.memoryOnly = false
  if (before !== undefined && saysTheSame(before, bytes, codec, rules)) return false
  attribute.encoded = { name: attribute.name, codec: codec.id, bytes }
  return true
}

function encodeValue(attribute: Attribute, codec: AttributeCodec): ByteString | undefined {
  if (!isStorableName(attribute.name))
    throw new RangeError('its name is too long, begins with a zero byte, or is not text')
  const bytes = codec.encode(attribute.value, attribute.name)
  return bytes === undefined ? undefined : toByteString(bytes)
}

/*
 * Of another codec, or an older schema, the bytes differ although the value may not: then what is stored is read and encoded as the
 * value was. So a new codec takes over with the first change, and requests that only read write nothing.
 */
function saysTheSame(
  before: EncodedAttribute,
  bytes: ByteString,
  codec: AttributeCodec,
  rules: AttributeRules,
): boolean {
  const { name } = before
  if (before.codec === codec.id) {
    if (before.bytes === bytes) return true
    if (codec.isCurrent?.(fromByteString(before.bytes), name) ?? true) return false
  }
  try {
    const again = codec.encode(decodeAttribute(before, rules), name)
    return again !== undefined && toByteString(again) === bytes
  } catch {
    /* What can't be read any more is replaced. */
    return false
  }
}
