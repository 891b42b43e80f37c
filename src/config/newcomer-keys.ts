import { z } from 'zod'
import { countOrNone, duration, keyNotes } from './key.js'

const day = 86_400_000

const newcomerKeys = {
  idleTimeout: duration(1000, 3650 * day)
    .prefault('2m')
    .register(keyNotes, {
      type: 'duration, 1s to 3650d',
      default: '`2m`',
      meaning:
        'A new session of a visitor who came without one ends when it was not used for this long, until its cookie has come back once; from then on `idleTimeout` holds. Never longer than that.',
    }),
  perSecond: countOrNone(1_000_000).prefault('none').register(keyNotes, {
    type: 'number, 0 or `none`',
    default: '`none`',
    meaning:
      'New sessions a second, for visitors who came without one, on this server at most. Beyond it, requests that need one are answered with 503 and Retry-After.',
  }),
}

export const newcomersSchema = z.strictObject(newcomerKeys, { error: 'an object { idleTimeout, perSecond }' })
