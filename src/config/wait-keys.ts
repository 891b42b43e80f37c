import { z } from 'zod'
import { choice, count, duration, keyNotes } from './key.js'

const waitKeys = {
  replicas: count(1, 100).register(keyNotes, {
    type: 'number, 1 to 100',
    default: 'required',
    meaning: 'Replicas that have to acknowledge a write.',
  }),
  timeout: duration(1, 30_000).prefault('100ms').register(keyNotes, {
    type: 'duration, 1ms to 30s',
    default: '`100ms`',
    meaning:
      'Longest time to wait for them, at most half of `operationTimeout`. After it the write counts as done, the shortfall is counted (`replicaShortfalls`) and logged.',
  }),
  for: choice('security', 'synchronous').prefault('security').register(keyNotes, {
    type: '`security` or `synchronous`',
    default: '`security`',
    meaning: 'Which writes wait: those that end sessions, or also all backups of `backup.mode: sync`.',
  }),
}

export const waitSchema = z.strictObject(waitKeys, { error: 'an object { replicas, timeout, for }' })
