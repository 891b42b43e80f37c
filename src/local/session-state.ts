import type { Fence } from '../node/storage-node.js'
import type { WatchedNode } from '../placement/watched-node.js'
import {
  type AttributeSection,
  type Change,
  changesSince,
  covers,
  decodeSection,
  emptySection,
  joinSections,
  latestChange,
} from '../record/attribute-section.js'
import {
  cookieChange,
  factsOf,
  issuedChange,
  type Life,
  lifeChange,
  ownerChange,
  type SessionFacts,
} from '../record/session-facts.js'
import type { RecordEnvelope } from '../record/transforms/record-envelope.js'
import {
  type Attribute,
  type AttributeRules,
  Attributes,
  type ChangeStamp,
  type Guard,
  type OnUnserializable,
} from '../session/attributes.js'
import { formatSessionId, SessionId, tokenDigest } from '../session-id/session-id.js'
import type { LockedChanges } from './locked-changes.js'
import type { SessionTally } from './session-tally.js'

/**
 * `new`: not admitted to the server's memory yet. `live`: it is. `lost`: another server owns it, this copy is let go.
 * `renewed`: it goes on under the token that follows from this one, this copy is let go. `ended`: destroyed or expired, it never comes back.
 */
export type SessionPhase = 'new' | 'live' | 'lost' | 'renewed' | 'ended'

/** From where to where a session may go. */
const NEXT: Record<SessionPhase, readonly SessionPhase[]> = {
  new: ['live', 'renewed', 'ended'],
  live: ['lost', 'renewed', 'ended'],
  lost: ['renewed', 'ended'],
  renewed: ['ended'],
  ended: [],
}

/** What is known of the stored copy in its place. */
export interface StoredCopy {
  readonly node: WatchedNode
  /** For the next fenced write. */
  readonly fence: Fence
  /** When the stored copy expires, at the earliest; 0: never, or not known. */
  readonly deadline: number
  /** What stands there; `undefined`: it can't be read, or has to be written again in another form. */
  readonly section: AttributeSection | undefined
  /** The era that it says. */
  readonly era: number
  /** How records were stored when it was written or read; `undefined`: not known. */
  readonly form: RecordEnvelope | undefined
}

export interface SessionTimes extends Life {
  createdAt: number
  accessedAt: number
}

/** A session as it is at one moment, on its way to a node. */
export interface Snapshot {
  readonly section: AttributeSection
  /** What the storage was known to have then. */
  readonly base: AttributeSection
  readonly era: number
  /** How it is stored. */
  readonly form?: RecordEnvelope
}

/**
 * One session in this server's memory, shared by all its requests. It owns its fields: they change by its methods only, one a
 * transition, each of which takes what happened meanwhile into account.
 */
export class SessionState {
  readonly token: string
  readonly attributes: Attributes
  wheelBucket = 0

  private currentPhase: SessionPhase = 'new'
  private created: number
  private accessed: number
  private idle: number
  private absolute: number
  private cookieText = ''
  private ownerName = ''
  private place: WatchedNode | undefined
  private routeName: string | undefined
  private stored: StoredCopy | undefined
  /* Everything that is known to have been stored, somewhere. */
  private baseSection: AttributeSection = emptySection
  private wasSent = false
  private rejection: { readonly section: AttributeSection; readonly reason: Error } | undefined
  private verified = 0
  private behind: Set<WatchedNode> | undefined
  private digestText: string | undefined
  private pauseBeforeRetry = 0
  private requests = 0
  private holders = 0
  private tally: SessionTally | undefined
  private guards: Set<LockedChanges> | undefined
  private comparedEra: number

  /** @param era of a session that begins now, or of the copy that it is made from */
  constructor(token: string, route: string | undefined, times: SessionTimes, era = 0) {
    this.token = ownCopy(token)
    this.attributes = new Attributes()
    this.routeName = route
    this.created = times.createdAt
    this.accessed = times.accessedAt
    this.idle = times.idleTimeout
    this.absolute = times.absoluteDeadline
    this.comparedEra = era
  }

  /** A session as one of its stored copies says; it is live. */
  static fromRecord(
    token: string,
    route: string | undefined,
    record: { createdAt: number; attributes: AttributeSection; era: number } & SessionFacts,
    now: number,
  ): SessionState {
    const state = new SessionState(token, route, { ...record, accessedAt: now }, record.era)
    state.currentPhase = 'live'
    state.attributes.replace(record.attributes)
    state.baseSection = record.attributes
    state.cookieText = record.cookie
    state.ownerName = record.owner
    return state
  }

  /** Also for whoever has asked for the phase before, and waited meanwhile. */
  get isEnded(): boolean {
    return this.currentPhase === 'ended'
  }

  get phase(): SessionPhase {
    return this.currentPhase
  }

  get createdAt(): number {
    return this.created
  }

  get accessedAt(): number {
    return this.accessed
  }

  /** Milliseconds, 0: none. */
  get idleTimeout(): number {
    return this.idle
  }

  /** Milliseconds since the epoch, 0: none. */
  get absoluteDeadline(): number {
    return this.absolute
  }

  /** What the session's own cookie settings differ in, as JSON; empty: nothing. */
  get cookie(): string {
    return this.cookieText
  }

  /** Who has claimed the session last; empty: nobody. */
  get owner(): string {
    return this.ownerName
  }

  /** Somebody else has the session: what is changed here is to be handed to them. */
  get isLetGo(): boolean {
    return this.currentPhase === 'lost' || this.currentPhase === 'renewed'
  }

  /** Everything that was committed. */
  get section(): AttributeSection {
    return this.attributes.section
  }

  /** What is known to be stored, somewhere: changes of others are recognised by it. */
  get base(): AttributeSection {
    return this.baseSection
  }

  /** Nothing was ever committed. */
  get isBlank(): boolean {
    return this.attributes.section === emptySection
  }

  /** The storage may have the session: it was read from there, or a write was tried. */
  get mayBeStored(): boolean {
    return this.wasSent || this.wasStored
  }

  /** The storage had the session once. */
  get wasStored(): boolean {
    return this.baseSection !== emptySection
  }

  get storedCopy(): StoredCopy | undefined {
    return this.stored
  }

  /** The copy in its place is what is here. */
  get isSaved(): boolean {
    const { stored } = this
    return stored !== undefined && stored.section === this.attributes.section && stored.era >= this.comparedEra
  }

  /** Why no node can take the session as it is; `undefined`: that is not known of what it has now. */
  get unstorable(): Error | undefined {
    return this.rejection?.section === this.attributes.section ? this.rejection.reason : undefined
  }

  /** The storage has, or has had, everything that is here: of a copy that was let go that is all that counts. */
  get isHandedOver(): boolean {
    return covers(this.baseSection, this.attributes.section)
  }

  /** When the latest change was made, by the stamps; 0: there was none. */
  get changedAt(): number {
    return latestChange(this.attributes.section)
  }

  /** The era in which this was last compared with all of its copies. */
  get era(): number {
    return this.comparedEra
  }

  /** Where the backup belongs; the id's node suffix follows it. */
  get node(): WatchedNode | undefined {
    return this.place
  }

  /** The server that the id names. */
  get route(): string | undefined {
    return this.routeName
  }

  /** When storage last confirmed that this copy is current. */
  get verifiedAt(): number {
    return this.verified
  }

  /** Nodes that may still hold an older copy. */
  get leftBehind(): ReadonlySet<WatchedNode> | undefined {
    return this.behind
  }

  /** Requests that have used the session and are not over, and jobs that have changed it and not saved it. */
  get activeRequests(): number {
    return this.requests + this.holders
  }

  /** Whether a request has used the session and is not over. */
  get isInRequest(): boolean {
    return this.requests > 0
  }

  /** Milliseconds to wait before a save that no node could take is tried again. */
  get retryPause(): number {
    return this.pauseBeforeRetry
  }

  /* Id and digest are made when they are asked for: kept, they would cost more memory than the rest of the meta data. */

  /** The id as it stands in the cookie. */
  get id(): string {
    return formatSessionId(this.token, this.place?.id, this.routeName)
  }

  get sessionId(): SessionId {
    return new SessionId(this.token, this.place?.id, this.routeName)
  }

  /** Digest of the token: the storage key without its prefix. */
  get keyDigest(): string {
    return this.digestText ?? tokenDigest(this.token)
  }

  /** A short name for logs and events that does not give the id away. */
  get handle(): string {
    return this.keyDigest.slice(0, 12)
  }

  /** When the session ends if nobody uses it any more; Infinity: never. */
  get expiresAt(): number {
    const idle = this.idle === 0 ? Number.POSITIVE_INFINITY : this.accessed + this.idle
    return this.absolute === 0 ? idle : Math.min(idle, this.absolute)
  }

  /** Into the server's memory. */
  admit(now: number): void {
    if (this.move('live')) this.verified = now
  }

  /** Another server owns it. @returns whether that is new. */
  lose(): boolean {
    return this.move('lost')
  }

  /** It goes on under another token. @returns whether that is new. */
  renew(): boolean {
    return this.move('renewed')
  }

  /** For good. @returns whether that is new. */
  end(): boolean {
    return this.move('ended')
  }

  /** In the server's memory, and in the sums over what is there; `undefined`: not any more. */
  countIn(tally: SessionTally | undefined): void {
    if (tally === this.tally) return
    this.tally?.move(this.place, undefined)
    tally?.move(undefined, this.place)
    if (this.tally !== undefined) this.tally.activeRequests -= this.activeRequests
    if (tally !== undefined) tally.activeRequests += this.activeRequests
    this.attributes.countIn(tally)
    this.tally = tally
  }

  use(now: number): void {
    this.accessed = now
  }

  /** @param isRequest or else a job, which may forget to save what it has changed: that keeps no session alive */
  enter(isRequest = true): void {
    if (isRequest) this.requests++
    else this.holders++
    if (this.tally !== undefined) this.tally.activeRequests++
  }

  leave(isRequest = true): void {
    if (isRequest) this.requests--
    else this.holders--
    if (this.tally !== undefined) this.tally.activeRequests--
  }

  /**
   * Takes what was assigned, and changed inside `handedOut`.
   * @returns whether there is something new
   */
  commit(
    handedOut: readonly Attribute[],
    rules: AttributeRules,
    onUnserializable: OnUnserializable,
    stamp: () => ChangeStamp,
    owner: string,
    own?: Guard,
  ): boolean {
    const facts = () => this.factsDue(owner)
    if (!this.attributes.commit(handedOut, rules, onUnserializable, stamp, facts, this.guards, own)) return false
    this.ownerName = this.ownerAfterChange(owner)
    return true
  }

  /** The session's own cookie settings, and the idle timeout that follows from them. */
  setCookie(cookie: string, idleTimeout: number, stamp: ChangeStamp, owner: string): void {
    this.cookieText = cookie
    this.setLife({ idleTimeout, absoluteDeadline: this.absolute }, stamp, owner, [cookieChange(cookie)])
  }

  /** @returns whether there is something new */
  setLife(life: Life, stamp: ChangeStamp, owner: string, further: readonly Change[] = []): boolean {
    this.idle = life.idleTimeout
    this.absolute = life.absoluteDeadline
    const changes = [...this.factsDue(owner).filter(isNot(lifeChange(life))), lifeChange(life), ...further]
    if (!this.attributes.apply(changes, stamp)) return false
    this.ownerName = this.ownerAfterChange(owner)
    return true
  }

  /** Timeouts that are hardly different are known here only, until something else is stored. */
  extend({ idleTimeout, absoluteDeadline }: Life): void {
    this.idle = idleTimeout
    this.absolute = absoluteDeadline
  }

  /** A session without attributes is worth storing too. */
  initialize(stamp: ChangeStamp, owner: string): void {
    if (this.isBlank) this.setLife({ idleTimeout: this.idle, absoluteDeadline: this.absolute }, stamp, owner)
  }

  /** This server owns the session from now on. @returns whether that is new. */
  claim(owner: string, stamp: ChangeStamp): boolean {
    if (this.ownerName === owner) return false
    this.ownerName = owner
    return this.attributes.apply([ownerChange(owner)], stamp)
  }

  /** The same session, live under another token; nothing of it is stored there yet. */
  renewedAs(token: string, stamp: ChangeStamp, era: number): SessionState {
    const { created: createdAt, accessed: accessedAt, idle: idleTimeout, absolute: absoluteDeadline } = this
    const next = new SessionState(token, this.routeName, { createdAt, accessedAt, idleTimeout, absoluteDeadline }, era)
    next.currentPhase = 'live'
    next.cookieText = this.cookieText
    next.ownerName = this.ownerName
    next.attributes.replace(this.section)
    next.attributes.apply([issuedChange(stamp.now)], stamp)
    return next
  }

  /** Begins with the attributes of a session that this one takes the place of. */
  inherit(section: AttributeSection, stamp: ChangeStamp, owner: string): void {
    const changes = [...this.factsDue(owner), ...decodeSection(section)]
    if (this.attributes.apply(changes, stamp)) this.ownerName = this.ownerAfterChange(owner)
  }

  /** Somebody here changes it under its lock. */
  get isGuarded(): boolean {
    return this.guards !== undefined
  }

  /** Changes are made under the session's lock from now on. */
  guard(changes: LockedChanges): void {
    this.guards ??= new Set()
    this.guards.add(changes)
  }

  unguard(changes: LockedChanges): void {
    this.guards?.delete(changes)
    if (this.guards?.size === 0) this.guards = undefined
  }

  /** What was changed here under a lock that did not hold gives way to what others have stored. @returns the names of those attributes. */
  giveWayTo(theirs: AttributeSection, stamp: () => ChangeStamp): string[] {
    const changes = [...(this.guards ?? [])].flatMap((guard) => guard.overtakenBy(theirs) ?? [])
    if (changes.length > 0) this.decide(changes, stamp())
    return changes.map(({ name }) => name)
  }

  /** Values that were decided on in a merge. */
  decide(changes: readonly Change[], stamp: ChangeStamp): void {
    this.attributes.apply(changes, stamp)
    this.attributes.replace(this.attributes.section)
  }

  /**
   * Joins what was read from the storage. Nothing of what was committed here is lost; what was only assigned is: it is to be committed
   * before.
   */
  take(section: AttributeSection, createdAt: number): void {
    this.created = createdAt
    this.baseSection = joinSections(this.baseSection, section)
    const joined = joinSections(this.attributes.section, section)
    if (joined === this.attributes.section) return
    this.attributes.replace(joined)
    const facts = factsOf(joined)
    this.idle = facts.idleTimeout
    this.absolute = facts.absoluteDeadline
    this.cookieText = facts.cookie
    if (facts.owner !== this.ownerName) this.ownerName = facts.owner
  }

  /** What a copy that was let go has and the storage does not; nothing else of it counts any more. */
  pending(): AttributeSection {
    return changesSince(this.baseSection, this.attributes.section)
  }

  /** Changes that were made in an older copy of the session on this server. */
  receive(section: AttributeSection): void {
    const base = this.baseSection
    this.take(section, this.created)
    this.baseSection = base
  }

  /** What was pending has been handed over. */
  handedOver(section: AttributeSection): void {
    this.baseSection = joinSections(this.baseSection, section)
  }

  /** No node can take the session as it is now. */
  reject(reason: Error): void {
    this.rejection = { section: this.attributes.section, reason }
  }

  /** The state goes to a node as it is. */
  send(): Snapshot {
    const { section } = this.attributes
    this.wasSent = true
    return { section, base: this.baseSection, era: this.comparedEra }
  }

  /** A node has taken what was sent. @returns whether that is where the session belongs. */
  acknowledge(
    { section, base, era, form }: Snapshot,
    node: WatchedNode,
    fence: Fence,
    deadline: number,
    now: number,
  ): boolean {
    this.baseSection = base === this.baseSection ? section : joinSections(this.baseSection, section)
    this.pauseBeforeRetry = 0
    this.rejection = undefined
    if (this.place !== node) {
      this.leaveBehind(node)
      return false
    }
    this.stored = { node, fence, deadline, section, era, form }
    this.verified = now
    return true
  }

  /** What stands in a place, as it was read; the content has been taken. `deadline` 0: the read did not renew it. `record` undefined: it is to be written again anyway. */
  found(
    node: WatchedNode,
    fence: Fence,
    deadline: number,
    record: { attributes: AttributeSection; era: number } | undefined,
    form?: RecordEnvelope,
  ): void {
    if (this.place !== node) return
    /* One string for what is the same: sessions are many. */
    const here = this.attributes.section
    const section = record?.attributes === here ? here : record?.attributes
    const life = deadline || this.lifeOf(node, section)
    this.stored = { node, fence, deadline: life, section, era: record?.era ?? 0, form }
  }

  /** The copy that was seen in its place is still there, and lives until then. */
  renewed(seen: StoredCopy | undefined, deadline: number): void {
    if (seen !== undefined && this.stored === seen) this.stored = { ...seen, deadline }
  }

  /** All copies that there are have been taken, in that era. */
  compared(era: number): void {
    this.comparedEra = Math.max(this.comparedEra, era)
  }

  /** It goes on without a copy that others may have changed meanwhile: what is stored of it alone is doubtful to everybody. */
  uncompared(): void {
    this.comparedEra = 0
  }

  /** Nothing stands in its place any more. */
  forgetStored(): void {
    this.stored = undefined
  }

  confirm(now: number): void {
    this.verified = now
    this.attributes.isUncertain = false
  }

  /** It is not to be compared again before it would be, had the storage confirmed it then. */
  postponeVerification(asIfAt: number): void {
    this.verified = Math.max(this.verified, asIfAt)
  }

  /** The storage gave no answer: this copy goes on as it is. */
  goOnUncertain(): void {
    this.attributes.isUncertain = true
  }

  /** Where it is stored first. */
  settle(node: WatchedNode): void {
    if (this.place === undefined) this.moveTo(node)
  }

  /** To another node. The older copy is left behind. @returns the node that it was on. */
  relocate(to: WatchedNode | undefined): WatchedNode | undefined {
    const from = this.place
    if (from === to) return undefined
    this.moveTo(to)
    this.stored = undefined
    if (to !== undefined) this.cleanedUp(to)
    if (from !== undefined) this.leaveBehind(from)
    return from
  }

  leaveBehind(node: WatchedNode): void {
    this.behind ??= new Set()
    this.behind.add(node)
  }

  cleanedUp(node: WatchedNode): void {
    this.behind?.delete(node)
  }

  /** It is served under this route from now on. */
  serveUnder(route: string | undefined): void {
    this.routeName = route
  }

  /** Nobody knows whether this copy is current. */
  doubt(): void {
    this.verified = 0
    this.digestText = undefined
  }

  /** What stands in its place is to be written again in another form. */
  rewrite(): void {
    if (this.stored !== undefined) this.stored = { ...this.stored, section: undefined }
  }

  /** Where it is now, as another state of the same session has just been read from there. */
  moveWith({ place, stored }: SessionState): void {
    this.moveTo(place)
    this.stored = stored
  }

  /** Spares the digest where it is asked for several times; not for a session that stays in memory. */
  keepDigest(digest: string): void {
    this.digestText = digest
  }

  /** No node could take it. */
  failed(least: number, most: number): number {
    this.pauseBeforeRetry = Math.min(Math.max(least, this.pauseBeforeRetry * 2), most)
    return this.pauseBeforeRetry
  }

  /* A read that does not renew tells nothing of the life that is left: what stands there as before lives as long as it did. */
  private lifeOf(node: WatchedNode, section: AttributeSection | undefined): number {
    const { stored } = this
    return stored?.node === node && stored.section === section ? stored.deadline : 0
  }

  private moveTo(node: WatchedNode | undefined): void {
    this.tally?.move(this.place, node)
    this.place = node
  }

  private move(to: SessionPhase): boolean {
    if (!NEXT[this.currentPhase].includes(to)) return false
    this.currentPhase = to
    return true
  }

  /* The first change brings what every record has; one in another mode the owner of that mode. */
  private factsDue(owner: string): Change[] {
    const changes: Change[] = []
    if (this.isBlank) changes.push(lifeChange({ idleTimeout: this.idle, absoluteDeadline: this.absolute }))
    if (this.ownerAfterChange(owner) !== this.ownerName) changes.push(ownerChange(owner))
    return changes
  }

  private ownerAfterChange(owner: string): string {
    return this.ownerName === '' || owner === '' ? owner : this.ownerName
  }
}

function isNot({ name }: Change): (change: Change) => boolean {
  return (change) => change.name !== name
}

/* A part of a longer text keeps all of that in memory: here a cookie header, for as long as the session lives. */
function ownCopy(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
