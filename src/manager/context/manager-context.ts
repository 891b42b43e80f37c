import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../clock.js'
import type { Settings } from '../../config/settings.js'
import { EndedTokens } from '../../local/ended-tokens.js'
import { LocalSessions } from '../../local/local-sessions.js'
import { Placement } from '../../placement/placement.js'
import { type RandomSource, systemRandom } from '../../random.js'
import { toByteString } from '../../record/byte-string.js'
import type { Stamp } from '../../record/stamp.js'
import { RecordEnvelope } from '../../record/transforms/record-envelope.js'
import type { AttributeRules, ChangeStamp } from '../../session/attributes.js'
import { SessionTokens } from '../../session-id/session-id.js'
import { Statistics } from '../../statistics/statistics.js'
import { ClusterNotes } from './cluster-notes.js'
import { RateLimitedLog } from './rate-limited-log.js'
import { SessionEventBus } from './session-events.js'

/** How long a removal is remembered, in idle timeouts: longer than anybody can have an older copy. */
const REMEMBER_REMOVALS = 2.5
const LEAST_LIFE = 3_600_000
/** The same for sessions that never expire. */
const LONGEST_LIFE = 30 * 86_400_000

/** What the parts of one manager share: the settings in force, and the parts without behaviour of their own towards each other. */
export class ManagerContext {
  readonly clock: Clock
  readonly random: RandomSource
  readonly statistics: Statistics
  readonly events: SessionEventBus
  readonly local: LocalSessions
  readonly ended = new EndedTokens()
  /** Tokens that a request has replaced a moment ago: whoever has them still has the next one already, or soon. */
  readonly replaced = new EndedTokens()
  /** Tokens of sessions that go on under the token that follows from them: whoever has one still is led there, for a while. */
  readonly renewed = new EndedTokens()
  /** Sessions that expired on this server: who comes with an id that names it has none any more. */
  readonly expired = new EndedTokens()
  readonly placement = new Placement([], [])
  readonly notes: ClusterNotes
  readonly log: RateLimitedLog
  /** This process in stored records: 8 characters. */
  readonly writer: string
  /** The same in stamps: see `Stamp`. */
  private readonly process: string
  private current: Settings
  private derivedTokens: SessionTokens
  private derivedRules: AttributeRules
  private derivedForm: RecordEnvelope

  constructor(settings: Settings, clock: Clock, random: RandomSource = systemRandom) {
    this.clock = clock
    this.random = random
    this.current = settings
    this.derivedTokens = new SessionTokens(settings.secret, this.random)
    this.derivedRules = rulesOf(settings)
    this.derivedForm = new RecordEnvelope(settings)
    this.statistics = new Statistics(settings.statistics)
    this.events = new SessionEventBus(() => this.current.logger)
    this.local = new LocalSessions(clock)
    const newName = () => this.newName()
    this.notes = new ClusterNotes(clock, this.placement, () => this.current.keyPrefix, newName)
    this.log = new RateLimitedLog(clock)
    this.writer = this.newName()
    this.process = toByteString(Buffer.from(this.writer, 'base64url'))
  }

  /** 8 characters that nobody else has. */
  newName(): string {
    return this.random.bytes(6).toString('base64url')
  }

  get settings(): Settings {
    return this.current
  }

  set settings(settings: Settings) {
    const { secret } = this.current
    this.current = settings
    if (!isDeepStrictEqual(secret, settings.secret))
      this.derivedTokens = new SessionTokens(settings.secret, this.random)
    this.derivedRules = rulesOf(settings)
    this.derivedForm = new RecordEnvelope(settings)
    this.statistics.enabled = settings.statistics
  }

  /** Others as soon as a secret is another. */
  get tokens(): SessionTokens {
    return this.derivedTokens
  }

  get rules(): AttributeRules {
    return this.derivedRules
  }

  /** The stamp of a change that this process makes now in a session. @param idleTimeout of the session, in milliseconds; 0: none */
  stamp(idleTimeout: number): ChangeStamp {
    const now = this.clock.now()
    const longest = idleTimeout === 0 ? LONGEST_LIFE : Math.max(idleTimeout * REMEMBER_REMOVALS, LEAST_LIFE)
    return { now, process: this.process, forgetBefore: now - longest }
  }

  /** Whether a stamp is of this process. */
  isOwn({ process }: Stamp): boolean {
    return process === this.process
  }

  /** How records are compressed and encrypted. */
  get envelope(): RecordEnvelope {
    return this.derivedForm
  }

  /** Who owns the sessions of this server, in stored records; empty: nobody, as in non-sticky mode. */
  get owner(): string {
    if (this.current.mode === 'non-sticky') return ''
    return this.current.route ?? this.writer
  }
}

function rulesOf({ codec, attributes }: Settings): AttributeRules {
  return { codec: codec.writer, codecFor: codec.writerFor, codecs: codec.readers, filter: attributes }
}
