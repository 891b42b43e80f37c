import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { StorageUnavailableError } from '../errors.js'
import { EndedTokens } from '../local/ended-tokens.js'
import type { SessionState } from '../local/session-state.js'
import { within } from '../manager/context/within.js'
import type { SessionManager } from '../manager/session-manager.js'
import { SessionUse } from '../manager/session-use.js'
import { readCookies } from './cookie-header.js'

/** How long an old id that led nowhere is answered without another look, in milliseconds. */
const REMEMBER_MISS = 60_000

interface OldCookie {
  originalMaxAge?: unknown
}

/** Brings sessions of express-session over, one at its visitor's first request: see the setting `adopt`. */
export class Adoption {
  private readonly manager: SessionManager
  private readonly underWay = new Map<string, Promise<SessionState | undefined>>()
  private readonly misses = new EndedTokens()

  constructor(manager: SessionManager) {
    this.manager = manager
  }

  /**
   * The session of a visitor who has none here, and a valid cookie of express-session.
   * @returns `undefined`, not as a promise: there is no such cookie.
   * @throws StorageUnavailableError when the old store does not answer: a new session would log the visitor out.
   */
  find(req: IncomingMessage): Promise<SessionState | undefined> | undefined {
    const { context } = this.manager
    const { adopt } = context.settings
    const now = context.clock.now()
    if (adopt === undefined || (adopt.until !== undefined && adopt.until <= now)) return undefined
    for (const cookie of readCookies(req.headers.cookie, adopt.cookie)) {
      const id = signedId(cookie, adopt.secret)
      if (id !== undefined && !this.misses.has(id, now)) return this.findOnce(id)
    }
    return undefined
  }

  /* A page's requests come side by side. */
  private findOnce(id: string): Promise<SessionState | undefined> {
    const underWay = this.underWay.get(id)
    if (underWay !== undefined) return underWay
    const work = this.adopt(id).finally(() => this.underWay.delete(id))
    this.underWay.set(id, work)
    return work
  }

  private async adopt(id: string): Promise<SessionState | undefined> {
    const { context } = this.manager
    /* The same on every server, so that two who adopt one session meet; nobody without our secret can tell it. */
    const token = context.tokens.issue(createHash('sha256').update(`adopted:${id}`).digest('hex'))
    const here = await this.manager.openShared(token)
    if (here !== undefined) return here
    /* It was adopted, and has ended. */
    const hasEnded = context.ended.has(token, context.clock.now())
    const record = hasEnded ? undefined : await this.ask<unknown>((store, done) => store.get(id, done))
    const isThere = typeof record === 'object' && record !== null
    const taken = isThere ? await this.take(token, record as Record<string, unknown>) : undefined
    /* Another server may have been faster. */
    const state = taken ?? (hasEnded ? undefined : await this.manager.openShared(token))
    if (state === undefined) this.misses.add(id, context.clock.now() + REMEMBER_MISS)
    else if (isThere && this.manager.isStored(state)) this.forget(id)
    return state
  }

  private async take(token: string, record: Record<string, unknown>): Promise<SessionState | undefined> {
    const handle = new SessionUse(this.manager, this.manager.createAs(token), undefined)
    const { cookie, ...attributes } = record
    Object.assign(handle.session, attributes)
    const { originalMaxAge } = (cookie ?? {}) as OldCookie
    if (typeof originalMaxAge === 'number' && originalMaxAge > 0) handle.cookie.maxAge = originalMaxAge
    await handle.save()
    return handle.state?.phase === 'live' ? handle.state : undefined
  }

  /* Nobody waits for it: what stays there leads to the adopted session, or to its end. */
  private forget(id: string): void {
    this.ask((store, done) => store.destroy(id, done)).catch((error) => this.report(error))
  }

  private async ask<T>(question: (store: Store, done: (error?: unknown, value?: T | null) => void) => unknown) {
    const { clock, settings } = this.manager.context
    const { store } = settings.adopt as { store: Store }
    let failure: { error: unknown } | undefined
    let answer: T | null | undefined
    const asked = new Promise<void>((resolve) => {
      const done = (error?: unknown, value?: T | null) => {
        if (error && (error as NodeJS.ErrnoException).code !== 'ENOENT') failure ??= { error }
        else answer = value
        resolve()
      }
      try {
        question(store, done)
      } catch (error) {
        done(error)
      }
    })
    if (!(await within(clock, asked, settings.operationTimeout))) failure = { error: new Error('it does not answer') }
    if (failure === undefined) return answer ?? undefined
    this.report(failure.error)
    throw new StorageUnavailableError({ cause: failure.error })
  }

  private report(error: unknown): void {
    const { log, settings } = this.manager.context
    const reason = error instanceof Error ? error.message : String(error)
    log.write('adoption', `the store that sessions are adopted from failed: ${reason}`, (m) => settings.logger.error(m))
  }
}

type Store = NonNullable<SessionManager['context']['settings']['adopt']>['store']

/** The id in a cookie of express-session: `s:` id `.` signature, percent-encoded; `undefined`: it is none, or forged. */
export function signedId(cookie: string, secrets: readonly string[]): string | undefined {
  let text: string
  try {
    text = decodeURIComponent(cookie)
  } catch {
    return undefined
  }
  const dot = text.lastIndexOf('.')
  if (!text.startsWith('s:') || dot <= 2) return undefined
  const id = text.slice(2, dot)
  const signature = Buffer.from(text.slice(dot + 1))
  const isValid = secrets.some((secret) => {
    const expected = Buffer.from(createHmac('sha256', secret).update(id).digest('base64').replace(/=+$/, ''))
    return expected.length === signature.length && timingSafeEqual(expected, signature)
  })
  return isValid ? id : undefined
}
