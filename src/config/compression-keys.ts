import { z } from 'zod'
import {
  type CompressionAlgorithm,
  compressionAlgorithms,
  isAvailable,
  levelsOf,
} from '../record/transforms/compression.js'
import type { CompressionSettings } from '../record/transforms/record-envelope.js'
import { choice, count, keyNotes, size } from './key.js'

const compressionKeys = {
  algorithm: choice('off', ...compressionAlgorithms)
    .prefault('off')
    .register(keyNotes, {
      type: '`off`, `gzip`, `deflate`, `brotli` or `zstd`',
      default: '`off`',
      meaning:
        'What records are compressed with before they are stored. `zstd` needs Node 22.15 or later. Compressed records are read whatever stands here.',
    }),
  threshold: size(0, 1024 ** 3)
    .prefault('1KB')
    .register(keyNotes, {
      type: 'size, 0 to 1GiB',
      default: '`1KB`',
      meaning: 'Records below this size stay as they are.',
    }),
  level: count(0, 22).optional().register(keyNotes, {
    type: 'number: 1 to 9 (gzip, deflate), 0 to 11 (brotli), 1 to 22 (zstd)',
    default: '6 (gzip, deflate), 4 (brotli), 3 (zstd)',
    meaning: 'More is smaller and slower.',
  }),
  maxInflatedBytes: size(64 * 1024, 1024 ** 3)
    .prefault('8MB')
    .register(keyNotes, {
      type: 'size, 64KiB to 1GiB',
      default: '`8MB`',
      meaning:
        'Stored records that would inflate to more are refused as unreadable, so that nobody fills the memory with a small one. Larger records are not compressed. Give all servers the same.',
    }),
}

type Read = z.infer<z.ZodObject<typeof compressionKeys>>

export const compressionSchema = z
  .strictObject(compressionKeys, { error: 'an object of compression options' })
  .superRefine(({ algorithm, level }, context) => {
    const refuse = (key: keyof Read, message: string): void =>
      context.addIssue({ code: 'custom', path: [key], message })
    if (algorithm === 'off') return
    if (!isAvailable(algorithm)) return refuse('algorithm', unavailable(algorithm))
    const { min, max } = levelsOf(algorithm)
    if (level !== undefined && (level < min || level > max))
      refuse('level', `${min} to ${max}, the levels of ${algorithm}`)
  })

/** With the algorithm's own level where none is given. */
export function compressionSettings({ level, ...keys }: Read): CompressionSettings {
  return { ...keys, level: keys.algorithm === 'off' ? 0 : (level ?? levelsOf(keys.algorithm).standard) }
}

function unavailable(algorithm: CompressionAlgorithm): string {
  const others = compressionAlgorithms.filter(isAvailable).join(', ')
  return `one of off, ${others}: ${algorithm} needs Node 22.15 or later, and this is ${process.version}`
}
