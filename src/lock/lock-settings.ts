/** How requests of one session wait for each other. Durations in milliseconds. */
export interface LockSettings {
  /** Which requests lock: none, all, what was learnt (`auto`), a pattern of URLs (`uri`), or where the code asks (`app`). */
  mode: 'none' | 'all' | 'auto' | 'uri' | 'app'
  /** `uri`: the URLs (path and query) that lock. */
  pattern: RegExp | undefined
  /** Paths that do not lock, whatever the mode says; see `session.lock()` for those that need it for a moment. */
  except: RegExp | undefined
  /** How long a lock outlives a holder that died. Default: 5 s. */
  expiry: number
  /** How long a request waits for a lock. Default: 1 s. */
  timeout: number
  /** What becomes of a request that waited in vain: an error, or it goes on without the lock. Default: `fail`. */
  onTimeout: 'fail' | 'proceed'
  /** Requests of one session that stand in line on one server at most. Default: 100. */
  maxWaiters: number
}
