import { type Clock, systemClock } from '../../clock.js'
import type { Logger } from '../../logger.js'
import { TokenBuckets } from './token-bucket.js'

/** One thing that was done through the administration, or refused. */
export interface AuditEntry {
  /** ISO 8601. */
  readonly time: string
  readonly action: 'write' | 'exec' | 'refused'
  /** Who asked; `undefined`: nobody that we know. */
  readonly principal?: string | undefined
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
const [refusalBurst, refusalPause] = [50, 100]

/**
 * Keeps the newest entries in memory and writes each as one line, as JSON, to the log (level warn: what is done here is rare
 * and wants to be seen). A flood of refusals is thinned out, and the number of the missing told.
 */
export class AuditLog {
  private readonly kept: AuditEntry[] = []
  private readonly logger: Logger
  private readonly clock: Clock
  private readonly capacity: number
  private readonly refusals: TokenBuckets
  private missing = 0

  constructor({ logger, clock = systemClock, capacity = 500 }: AuditLogOptions) {
    this.logger = logger
    this.clock = clock
    this.capacity = capacity
    this.refusals = new TokenBuckets({ capacity: refusalBurst, pause: refusalPause, maxClients: 1, clock })
  }

  /** The newest last. */
  entries(): readonly AuditEntry[] {
    return [...this.kept]
  }

  add(entry: Omit<AuditEntry, 'time'>): void {
    if (entry.action === 'refused' && !this.refusals.take('all')) {
      this.missing++
      return
    }
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
  return Object.fromEntries(parts.map(([key, value]) => [key, short(value)])) as unknown as AuditEntry
}

function short(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value
  if (Array.isArray(value) && value.length <= 20) return value.map(short)
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
}

/** Nothing in a line may look like another line, or steer a terminal. */
function onOneLine(json: string): string {
  return json.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => {
    return Array.from(
      { length: found.length },
      (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join('')
  })
}
