/*
 * The entry `holdfast/express`: types `req.session` and `req.sessionID` for Express. Where `@types/express-session` is
 * installed, its declarations stay the ones in force, with all that applications and libraries have added to them; ours
 * are the same type then, so that the two never contradict each other. Without it they are our own.
 */
// biome-ignore lint/suspicious/noTsIgnore: the package is optional, and the comment has to survive in the declarations
/** @ts-ignore */
import type * as expressSession from 'express-session'
import type { DestroyOptions, RegenerateOptions, Session, SessionData, SessionLock } from './session.js'

/** An import that leads nowhere has every key there can be. */
type IsMissing = symbol extends keyof expressSession.SessionData ? true : false

/** What an application has declared for express-session, as far as that is installed. */
type DeclaredForExpressSession = IsMissing extends true
  ? Record<never, never>
  : Omit<expressSession.SessionData, 'cookie'>

/** `req.session` as Express handlers see it. */
export type ExpressSession = IsMissing extends true
  ? Session & Partial<SessionData>
  : expressSession.Session & Partial<expressSession.SessionData>

declare global {
  namespace Express {
    interface Request {
      session: ExpressSession
      sessionID: string
    }
  }
}

declare module './session.js' {
  interface SessionData extends DeclaredForExpressSession {}
}

// biome-ignore lint/suspicious/noTsIgnore: as above
/** @ts-ignore */
declare module 'express-session' {
  /** What Holdfast's sessions can do beyond express-session's. */
  interface Session {
    save(): Promise<void>
    reload(): Promise<void>
    destroy(options?: DestroyOptions): Promise<void>
    destroy(options: DestroyOptions, done: (error?: unknown) => void): this
    regenerate(options?: RegenerateOptions): Promise<void>
    regenerate(options: RegenerateOptions, done: (error?: unknown) => void): this
    renewId(): Promise<void>
    renewId(done: (error?: unknown) => void): this
    readonly expiresAt: Date | undefined
    passive(): this
    lock(): Promise<SessionLock>
    lock<T>(work: () => T | Promise<T>): Promise<T>
    unlock(): Promise<void>
    unlock(done: (error?: unknown) => void): this
  }
}

export {
  type DestroyOptions,
  type RegenerateOptions,
  type Session,
  type SessionData,
  type SessionLock,
  type SessionWith,
  sessionOf,
} from './session.js'
