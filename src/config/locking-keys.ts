import { z } from 'zod'
import { choice, count, duration, keyNotes, pattern } from './key.js'

const second = 1000
const minute = 60 * second

const lockingKeys = {
  mode: choice('none', 'all', 'auto', 'uri', 'app').prefault('none').register(keyNotes, {
    type: '`none`, `all`, `auto`, `uri` or `app`',
    default: '`none`',
    meaning:
      'Which requests of a session run one after the other: none, `all`, those that are not known to read only (`auto`, learnt by method and path), those whose URL matches `pattern` (`uri`), or where the application asks for it (`app`).',
  }),
  pattern: pattern().optional().register(keyNotes, {
    type: 'pattern',
    default: 'none; required with the mode `uri`',
    meaning: 'Requests whose URL (path and query) matches take the lock.',
  }),
  except: pattern().optional().register(keyNotes, {
    type: 'pattern',
    default: 'none',
    meaning:
      'Requests whose path (without the query) matches take no lock with `all`, `auto` and `uri`: streams and long polls, which would keep it. Anchor it (`^/events$`), as visitors choose their paths.',
  }),
  expiry: duration(2 * second, 10 * minute)
    .prefault('5s')
    .register(keyNotes, {
      type: 'duration, 2s to 10m',
      default: '`5s`',
      meaning:
        'How long a lock stays when its holder has died. While the holder lives, the lock is renewed, however long the request takes.',
    }),
  timeout: duration(0, 10 * minute)
    .prefault('1s')
    .register(keyNotes, {
      type: 'duration, 0 to 10m',
      default: '`1s`',
      meaning: 'Longest time that a request waits for the lock.',
    }),
  onTimeout: choice('fail', 'proceed').prefault('fail').register(keyNotes, {
    type: '`fail` or `proceed`',
    default: '`fail`',
    meaning:
      'What becomes of a request that waited in vain: it is answered with 503 and Retry-After (`fail`), or it goes on without the lock (`proceed`). Then its changes are merged as without locking.',
  }),
  maxWaiters: count(0, 100_000).prefault(100).register(keyNotes, {
    type: 'number, 0 to 100000',
    default: '`100`',
    meaning: 'Requests of one session that wait for the lock on this server at most. Further ones fail at once.',
  }),
}

export const lockingSchema = z.strictObject(lockingKeys, { error: 'an object of locking options' })
