import { z } from 'zod'
import { duration, keyNotes, size } from './key.js'

const nearCacheKeys = {
  maxBytes: size(65_536, 64 * 1024 ** 3)
    .prefault('64MB')
    .register(keyNotes, {
      type: 'size, 64KiB to 64GiB',
      default: '`64MB`',
      meaning:
        'Memory for each Redis node, with what stands around the records. What was used least recently goes first.',
    }),
  maxAge: duration(100, 86_400_000).prefault('1m').register(keyNotes, {
    type: 'duration, 100ms to 1d',
    default: '`1m`',
    meaning: 'A record is used for this long at most, even where nothing speaks against it; then it is read again.',
  }),
}

export const nearCacheSchema = z.strictObject(nearCacheKeys, { error: 'an object { maxBytes, maxAge }' })
