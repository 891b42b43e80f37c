import { type AttributeSection, type Change, findInSection, stampInSection } from '../record/attribute-section.js'
import { compareStamps, type Stamp } from '../record/stamp.js'

/**
 * What one request or job changes under its session's lock. A lock can be lost without its holder's notice: its node was restarted, it has
 * expired while the process stood still, a server saw another node. So each commit, and each meeting with what others have stored, is checked:
 * when somebody else has changed one of these attributes since they were read under the lock, nothing of this is joined. Then steps
 * that were acknowledged are never lost.
 */
export class LockedChanges {
  /** Assigned or removed since the last commit. */
  readonly touched = new Set<string>()
  private readonly base: AttributeSection
  /** What was committed, with its stamp then. */
  private readonly own = new Map<string, Stamp | undefined>()
  private refused = false

  /** @param base the session as it was read under the lock */
  constructor(base: AttributeSection) {
    this.base = base
  }

  /** Somebody else was faster: what was changed under the lock does not count. */
  get isRefused(): boolean {
    return this.refused
  }

  /** Whether these attributes are as they were read, or as this has left them. */
  allows(section: AttributeSection, names: Iterable<string>): boolean {
    for (const name of names) {
      if (this.refused || !isSame(stampInSection(section, name), this.expected(name))) {
        this.refused = true
        this.touched.clear()
        return false
      }
    }
    return true
  }

  /** Those attributes are in the section as this has changed them. */
  committed(section: AttributeSection, names: Iterable<string>): void {
    for (const name of names) this.own.set(name, stampInSection(section, name))
    this.touched.clear()
  }

  /**
   * What others have stored, and the holder has not seen, is met.
   * @returns when one of these attributes was changed there: what is to stand in the place of all that was committed here.
   */
  overtakenBy(theirs: AttributeSection): Change[] | undefined {
    const names = [...this.own.keys()]
    if (this.refused || !names.some((name) => this.isOvertaken(name, theirs))) return undefined
    this.refused = true
    return names.map((name) => entryIn(isLater(theirs, this.base, name) ? theirs : this.base, name))
  }

  private isOvertaken(name: string, theirs: AttributeSection): boolean {
    return !isSame(stampInSection(theirs, name), this.own.get(name)) && isLater(theirs, this.base, name)
  }

  private expected(name: string): Stamp | undefined {
    return this.own.has(name) ? this.own.get(name) : stampInSection(this.base, name)
  }
}

function isSame(a: Stamp | undefined, b: Stamp | undefined): boolean {
  return a === undefined || b === undefined ? a === b : compareStamps(a, b) === 0
}

function isLater(section: AttributeSection, base: AttributeSection, name: string): boolean {
  const [stamp, before] = [stampInSection(section, name), stampInSection(base, name)]
  return stamp !== undefined && (before === undefined || compareStamps(stamp, before) > 0)
}

function entryIn(section: AttributeSection, name: string): Change {
  return findInSection(section, name) ?? { name, codec: '', bytes: undefined }
}
