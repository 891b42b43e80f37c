/** What was asked of a session, and what came of it. Times are in milliseconds, all by one clock. */
export interface Write {
  attribute: string
  /** Another one for each write; `undefined`: the attribute is removed. */
  value: unknown
  began: number
  /** When the answer came that promises the change; Infinity: none did. */
  acknowledged: number
  /** When an answer came, whatever it said: afterwards the change is not made any more. Infinity: none did. */
  answered: number
}

interface Read {
  server: string
  began: number
  /** By attribute; a session that was not found has none. */
  values: Record<string, unknown> | undefined
}

const never = Number.POSITIVE_INFINITY

/** The history of one session, and what it must not show. */
export class SessionHistory {
  readonly name: string | number
  private readonly writes: Write[] = []
  private readonly finalReads: Read[] = []
  private readonly reads: Read[] = []
  /** Nobody knows whether the session still is. */
  private endBegan = never
  private readonly keptEnds: (() => boolean)[] = []
  private endAcknowledged = never

  constructor(name: string | number) {
    this.name = name
  }

  write(attribute: string, value: unknown, began: number): Write {
    const write = { attribute, value, began, acknowledged: never, answered: never }
    this.writes.push(write)
    return write
  }

  read(read: Read): void {
    this.reads.push(read)
  }

  /** After all faults are mended and everything has had time to settle. */
  readAtTheEnd(read: Read): void {
    this.finalReads.push(read)
  }

  endBegins(now: number): void {
    this.endBegan = Math.min(this.endBegan, now)
  }

  endIsAcknowledged(now: number): void {
    this.endAcknowledged = Math.min(this.endAcknowledged, now)
  }

  /** Not every node has the end yet. @param holds whether whoever keeps it still runs */
  endIsKept(holds: () => boolean): void {
    this.keptEnds.push(holds)
  }

  violations(): string[] {
    const all = [...this.reads, ...this.finalReads]
    return [
      ...all.flatMap((read) => this.zombie(read)),
      ...this.finalReads.flatMap((read) => this.lateZombie(read)),
      ...all.flatMap((read) => this.loggedOut(read)),
      ...this.finalReads.flatMap((read) => this.lostUpdates(read)),
    ]
  }

  private zombie({ server, began, values }: Read): string[] {
    if (values === undefined || began <= this.endAcknowledged) return []
    return [`zombie: session ${this.name}, ended at ${this.endAcknowledged}, is served by ${server} at ${began}`]
  }

  private lateZombie({ server, values }: Read): string[] {
    if (values === undefined || !this.keptEnds.some((holds) => holds())) return []
    return [`zombie: session ${this.name}, whose end was kept, is served by ${server} at the end`]
  }

  private loggedOut({ server, began, values }: Read): string[] {
    if (values !== undefined || this.endBegan < never) return []
    return [`lost session: ${server} does not know session ${this.name} at ${began}`]
  }

  private lostUpdates({ server, values }: Read): string[] {
    if (values === undefined || this.endBegan < never) return []
    return [...new Set(this.writes.map(({ attribute }) => attribute))].flatMap((attribute) => {
      const value = values[attribute]
      const all = this.writes.filter((write) => write.attribute === attribute)
      const found = all.filter((write) => write.value === value)
      const after = Math.max(...found.map((write) => Math.min(write.acknowledged, write.answered)))
      const lost = all.find((write) => write.acknowledged < never && write.began > after)
      if (lost === undefined) return []
      return [
        `lost update: ${server} has ${attribute}=${value} in session ${this.name}, ${lost.value} was acknowledged later`,
      ]
    })
  }
}
