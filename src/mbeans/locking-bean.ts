import { attribute, defineMBean, type MBean } from '../admin/mbean/mbean.js'
import { choice, long, string } from '../admin/mbean/value-type.js'
import type { Managed } from './managed.js'
import { longest, patternOption, patternText, setting } from './setting.js'

/** Which requests of a session run one after the other, and how that goes. */
export function lockingBean(managed: Managed): MBean {
  return defineMBean({
    name: 'holdfast:type=Locking',
    description: 'Which requests of a session run one after the other, and how that goes.',
    attributes: { ...settings(managed), ...figures(managed) },
  })
}

function settings(managed: Managed) {
  return {
    Mode: setting(managed, {
      type: choice('none', 'all', 'auto', 'uri', 'app'),
      description:
        'none; all requests; auto: those that are not known to read only; uri: those whose URL matches Pattern; app: where the application asks.',
      read: ({ locking }) => locking.mode,
      change: (mode) => ({ locking: { mode } }),
    }),
    Pattern: setting(managed, {
      type: string({ maxLength: 1000 }),
      description: 'URLs (path and query) that lock in the mode uri; empty: none.',
      read: ({ locking }) => patternText(locking.pattern),
      change: (text) => ({ locking: { pattern: patternOption(text) } }),
    }),
    Expiry: setting(managed, {
      type: long({ min: 2000, max: longest.lock }),
      description: 'Milliseconds that a lock outlives a holder that died.',
      read: ({ locking }) => locking.expiry,
      change: (expiry) => ({ locking: { expiry } }),
    }),
    Timeout: setting(managed, {
      type: long({ min: 0, max: longest.lock }),
      description: 'Milliseconds that a request waits for the lock at most.',
      read: ({ locking }) => locking.timeout,
      change: (timeout) => ({ locking: { timeout } }),
    }),
    OnTimeout: setting(managed, {
      type: choice('fail', 'proceed'),
      description: 'A request that waited in vain is answered with 503 (fail), or goes on without the lock (proceed).',
      read: ({ locking }) => locking.onTimeout,
      change: (onTimeout) => ({ locking: { onTimeout } }),
    }),
    MaxWaiters: setting(managed, {
      type: long({ min: 0, max: 100_000 }),
      description: 'Requests of one session that wait for the lock on this server at most.',
      read: ({ locking }) => locking.maxWaiters,
      change: (maxWaiters) => ({ locking: { maxWaiters } }),
    }),
  }
}

function figures({ manager: { locks } }: Managed) {
  return {
    Waiting: attribute({
      type: long(),
      description: 'Requests that wait for a lock on this server.',
      read: () => locks.waiting,
    }),
    Held: attribute({ type: long(), description: 'Locks that requests of this server hold.', read: () => locks.held }),
    LearnedPatterns: attribute({
      type: long(),
      description: 'Patterns of requests that are known to read only (auto).',
      read: () => locks.policy.learnedPatterns,
    }),
  }
}
