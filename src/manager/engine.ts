import type { Clock } from '../clock.js'
import type { Settings } from '../config/settings.js'
import { EndedTokens } from '../local/ended-tokens.js'
import { LocalSessions } from '../local/local-sessions.js'
import { Placement } from '../placement/placement.js'
import { type RandomSource, systemRandom } from '../random.js'
import { StoredForm } from '../record/transforms/stored-form.js'
import type { AttributeRules } from '../session/attributes.js'
import { SessionTokens } from '../session-id/session-id.js'
import { Statistics } from '../statistics/statistics.js'
import { RateLimitedLog } from './rate-limited-log.js'
import { SessionEventBus } from './session-events.js'

/** What the parts of one manager share: the settings in force, and the parts without behaviour of their own towards each other. */
export class Engine {
  readonly clock: Clock
  readonly random: RandomSource
  readonly statistics: Statistics
  readonly events: SessionEventBus
  readonly local: LocalSessions
  readonly ended = new EndedTokens()
  readonly placement = new Placement([], [])
  readonly log: RateLimitedLog
  /** This process in stored records: 8 characters. */
  readonly writer: string
  private current: Settings
  private derivedTokens: SessionTokens
  private derivedRules: AttributeRules
  private derivedForm: StoredForm

  constructor(settings: Settings, clock: Clock, random: RandomSource = systemRandom) {
    this.clock = clock
    this.random = random
    this.current = settings
    this.derivedTokens = new SessionTokens(settings.secret, this.random)
    this.derivedRules = rulesOf(settings)
    this.derivedForm = new StoredForm(settings)
    this.statistics = new Statistics(settings.statistics)
    this.events = new SessionEventBus(() => this.current.logger)
    this.local = new LocalSessions(clock)
    this.log = new RateLimitedLog(clock)
    this.writer = this.newName()
  }

  /** 8 characters that nobody else has. */
  newName(): string {
    return this.random.bytes(6).toString('base64url')
  }

  get settings(): Settings {
    return this.current
  }

  set settings(settings: Settings) {
    this.current = settings
    this.derivedTokens = new SessionTokens(settings.secret, this.random)
    this.derivedRules = rulesOf(settings)
    this.derivedForm = new StoredForm(settings)
    this.statistics.enabled = settings.statistics
  }

  get tokens(): SessionTokens {
    return this.derivedTokens
  }

  get rules(): AttributeRules {
    return this.derivedRules
  }

  /** How records are compressed and encrypted. */
  get storedForm(): StoredForm {
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
