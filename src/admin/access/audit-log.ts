import { type Clock, systemClock } from '../../clock.js'
import { networkOf } from '../../connections.js'
import { type Logger, onOneLine } from '../../logger.js'
import { withoutCredentials, withoutQuotes } from './audit-text.js'
import { TokenBuckets } from './token-bucket.js'

/** One thing that was done through the administration, or refused. */
export interface AuditEntry {
  /** ISO 8601. */
  readonly time: string
  readonly action: 'write' | 'exec' | 'refused' | 'login' | 'reconfigure'
  /** Who asked; `undefined`: nobody that we know. */
  readonly principal?: string | undefined
  /** A user that we have, whose login was tried and was not right. */
  readonly claimed?: string | undefined
  readonly address: string
  readonly mbean?: string | undefined
  /** Attribute or operation. */
  readonly member?: string | undefined
  readonly arguments?: readonly unknown[] | undefined
  readonly old?: unknown
  readonly new?: unknown
  /** What came of it: `done`, or why not. */
  readonly outcome: string
}

export interface AuditLogOptions {
  logger: Logger
  clock?: Clock
  /** Entries that are kept in memory. Default 500. */
  capacity?: number
}

const MAX_TEXT = 200
/** Refusals of one network, and of all: those of some leave room for those of others. Milliseconds until there is room for one more. */
const [networkBurst, networkPause, maxNetworks] = [50, 100, 1000]
const [burst, pause] = [500, 20]

/**
 * Keeps the newest entries in memory and writes each as one line, as JSON, to the log (level warn: what is done here is rare
 * and wants to be seen). A flood of refusals is thinned out, and the number of the missing told: wrong logins apart from others, so that
 * no flood of other refusals hides them. No entry shows credentials, whatever the value was that somebody gave.
 */
export class AuditLog {
  private readonly kept: AuditEntry[] = []
  private readonly logger: Logger
  private readonly clock: Clock
  private readonly capacity: number
  private readonly networks: TokenBuckets
  private readonly refusals: TokenBuckets
  private missing = 0

  constructor({ logger, clock = systemClock, capacity = 500 }: AuditLogOptions) {
    this.logger = logger
    this.clock = clock
    this.capacity = capacity
    this.networks = new TokenBuckets({ capacity: networkBurst, pause: networkPause, maxClients: maxNetworks, clock })
    this.refusals = new TokenBuckets({ capacity: burst, pause, maxClients: 2, clock })
  }

  /** The newest last. */
  entries(): readonly AuditEntry[] {
    return [...this.kept]
  }

  add(entry: Omit<AuditEntry, 'time'>): void {
    if (entry.action === 'refused' && !this.hasRoom('other', entry.address)) return
    this.keep(entry)
  }

  /** The same for a login that was not right. */
  addWrongLogin(entry: Omit<AuditEntry, 'time' | 'action'>): void {
    if (this.hasRoom('login', entry.address)) this.keep({ ...entry, action: 'refused' })
  }

  private hasRoom(kind: string, address: string): boolean {
    const hasRoom = this.networks.take(`${kind} ${networkOf(address)}`) && this.refusals.take(kind)
    if (!hasRoom) this.missing++
    return hasRoom
  }

  private keep(entry: Omit<AuditEntry, 'time'>): void {
    const kept = shortened({ time: new Date(this.clock.now()).toISOString(), ...entry })
    this.kept.push(kept)
    if (this.kept.length > this.capacity) this.kept.shift()
    const before = this.missing === 0 ? '' : ` (after ${this.missing} refusals that are not listed)`
    this.missing = 0
    this.logger.warn(`admin audit${before}: ${onOneLine(JSON.stringify(kept))}`)
  }
}

function shortened(entry: AuditEntry): AuditEntry {
  const parts = Object.entries(entry).filter(([, value]) => value !== undefined)
  return Object.fromEntries(
    parts.map(([key, value]) => [key, key === 'outcome' ? withoutQuotes(cut(String(value))) : short(value)]),
  ) as unknown as AuditEntry
}

function short(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value
  if (Array.isArray(value) && value.length <= 20) return value.map(short)
  return cut(withoutCredentials(typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))))
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
}
