import { formatCookie } from './format-cookie.js'

/** The attributes of the session's cookie; durations in milliseconds. */
export interface CookieAttributes {
  path: string
  domain: string | undefined
  httpOnly: boolean
  secure: boolean | 'auto'
  sameSite: boolean | 'lax' | 'strict' | 'none' | 'auto'
  /** Life of the cookie in the browser; `undefined`: until the browser closes. */
  maxAge: number | undefined
  partitioned: boolean
  priority: 'low' | 'medium' | 'high' | undefined
}

type Overrides = Partial<Record<keyof CookieAttributes, unknown>> & { expires?: string | null }

const nothing: Overrides = {}

/** `req.session.cookie`: the configured attributes, and what this session sets differently. */
export class SessionCookie implements CookieAttributes {
  path: string
  domain: string | undefined
  httpOnly: boolean
  secure: boolean | 'auto'
  sameSite: boolean | 'lax' | 'strict' | 'none' | 'auto'
  partitioned: boolean
  priority: 'low' | 'medium' | 'high' | undefined
  /** Milliseconds that the cookie was given when its age was last set; `null`: until the browser closes. */
  originalMaxAge: number | null
  private expiry: Date | null
  private readonly defaults: CookieAttributes
  private readonly given: Overrides

  constructor(defaults: CookieAttributes, overrides = '') {
    this.defaults = defaults
    this.path = defaults.path
    this.domain = defaults.domain
    this.httpOnly = defaults.httpOnly
    this.secure = defaults.secure
    this.sameSite = defaults.sameSite
    this.partitioned = defaults.partitioned
    this.priority = defaults.priority
    this.originalMaxAge = null
    this.expiry = null
    this.maxAge = defaults.maxAge
    this.given = overrides === '' ? nothing : (JSON.parse(overrides) as Overrides)
    if (this.given !== nothing) this.apply(this.given)
    Object.defineProperties(this, {
      defaults: { enumerable: false },
      expiry: { enumerable: false },
      given: { enumerable: false },
    })
  }

  /** When the browser drops the cookie; `null`: when it closes. */
  get expires(): Date | null {
    return this.expiry
  }

  set expires(date: Date | string | number | null | undefined) {
    this.expiry = date === null || date === undefined || date === (false as unknown) ? null : new Date(date)
    this.originalMaxAge = this.expiry === null ? null : this.expiry.getTime() - Date.now()
  }

  /** Milliseconds that are left; `undefined`: until the browser closes. */
  get maxAge(): number | undefined {
    return this.expiry === null ? undefined : this.expiry.getTime() - Date.now()
  }

  /** @throws TypeError for anything but a number, a Date, null or undefined. */
  set maxAge(age: number | Date | null | undefined | false) {
    if (age instanceof Date) {
      this.expires = age
      return
    }
    const none = age === null || age === undefined || age === false
    if (!none && typeof age !== 'number') {
      throw new TypeError('maxAge must be a number of milliseconds, a Date, or undefined')
    }
    this.expires = none ? null : clampEnd(Date.now() + age)
    this.originalMaxAge = none ? null : age
  }

  /** Begins the cookie's age anew. */
  resetMaxAge(): void {
    const age = this.originalMaxAge
    if (age === null) return
    this.maxAge = age
  }

  get data(): Record<string, unknown> {
    const { originalMaxAge, expires, secure, httpOnly, domain, path, sameSite, partitioned, priority } = this
    return { originalMaxAge, partitioned, priority, expires, secure, httpOnly, domain, path, sameSite }
  }

  /** The text of a `Set-Cookie` header with these attributes. */
  serialize(name: string, value: string): string {
    return formatCookie(name, value, this)
  }

  toJSON(): Record<string, unknown> {
    return this.data
  }

  /**
   * What differs from the configuration, as JSON for the stored record; empty: nothing. What the session had of its own stays,
   * also where the configuration says the same for this request and may say something else for the next one.
   */
  overrides(): string {
    const changed: Record<string, unknown> = {}
    for (const name of ['path', 'domain', 'httpOnly', 'secure', 'sameSite', 'partitioned', 'priority'] as const) {
      const value = this[name] ?? null
      if (this[name] !== this.defaults[name] || value === this.given[name]) changed[name] = value
    }
    const age = this.originalMaxAge
    if (age !== (this.defaults.maxAge ?? null) || age === this.given.maxAge) changed.maxAge = age
    return Object.keys(changed).length === 0 ? '' : JSON.stringify(changed)
  }

  private apply(overrides: Overrides): void {
    for (const name of ['path', 'domain', 'httpOnly', 'secure', 'sameSite', 'partitioned', 'priority'] as const) {
      if (name in overrides) Object.assign(this, { [name]: overrides[name] ?? undefined })
    }
    if ('maxAge' in overrides) this.maxAge = overrides.maxAge as number | null
  }
}

/** The last second that a cookie's date, whose year has four digits (RFC 6265), can name. */
const LATEST_END = Date.UTC(9999, 11, 31, 23, 59, 59)

/* An age that is longer than a date can say is a long one all the same, and one that is over is over. */
function clampEnd(end: number): number {
  return Math.min(Math.max(end, 0), LATEST_END)
}
