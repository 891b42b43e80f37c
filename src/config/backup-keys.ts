import { z } from 'zod'
import { choice, count, duration, key, keyNotes, size } from './key.js'

const second = 1000

function readShare(value: unknown): number | undefined {
  const share = typeof value === 'string' && /^\d?\.\d{1,6}$/.test(value) ? Number(value) : value
  return typeof share === 'number' && share > 0 && share <= 0.5 ? share : undefined
}

const backupKeys = {
  mode: choice('async', 'sync').prefault('async').register(keyNotes, {
    type: '`async` or `sync`',
    default: '`async`',
    meaning:
      'When a changed session is stored: after the response (`async`), or before the response ends (`sync`), at most `timeout` long.',
  }),
  timeout: duration(1, 60 * second)
    .prefault('100ms')
    .register(keyNotes, {
      type: 'duration, 1ms to 60s',
      default: '`100ms`',
      meaning:
        'Longest time that a response waits for its backup (`sync`), for room in the queue, or for a verification.',
    }),
  replicas: count(1, 5).prefault(2).register(keyNotes, {
    type: 'number, 1 to 5',
    default: '`2`, or 1 with one node',
    meaning: 'Non-sticky mode: copies of a session, each on a storage node of its own.',
  }),
  delay: duration(0, second).prefault('5ms').register(keyNotes, {
    type: 'duration, 0 to 1s',
    default: '`5ms`',
    meaning:
      'How long a change waits for others, so that they are sent together (`async`). It is part of what is lost when a server is killed.',
  }),
  concurrency: count(1, 1024).prefault(32).register(keyNotes, {
    type: 'number, 1 to 1024',
    default: '`32`',
    meaning: 'Writes under way at once, a node.',
  }),
  maxPendingBytes: size(64 * 1024, 1024 ** 4)
    .prefault('64MB')
    .register(keyNotes, {
      type: 'size, 64KiB to 1024GiB',
      default: '`64MB`',
      meaning: 'Bytes of sessions that wait to be stored. When they are reached, requests that change sessions wait.',
    }),
  touchAfter: key('a number above 0 and up to 0.5', readShare).prefault(0.2).register(keyNotes, {
    type: 'number above 0, up to 0.5',
    default: '`0.2`',
    meaning:
      "Share of the idle timeout after which an accessed but unchanged session's life in the storage is renewed. Smaller: more writes and a more exact timeout.",
  }),
  attempts: count(1, 20).prefault(3).register(keyNotes, {
    type: 'number, 1 to 20',
    default: '`3`',
    meaning: "Attempts on one node before a session's backup moves to another node.",
  }),
  onUnstorable: choice('fail', 'report').prefault('fail').register(keyNotes, {
    type: '`fail` or `report`',
    default: '`fail`',
    meaning:
      "What becomes of a response that waits for the storage when its change can't be stored at all (the session is too large, a value can't be serialised): `fail` answers 500 in its place, where its head has not been sent, and has `session.save()` reject; `report` lets it go. Event and log tell of both.",
  }),
  protectRate: count(1, 1_000_000).prefault(500).register(keyNotes, {
    type: 'number, 1 to 1000000',
    default: '`500`',
    meaning:
      'Sessions a second that are stored at most when a node died or returned empty, so that this work leaves room for requests.',
  }),
}

export const backupSchema = z.strictObject(backupKeys, { error: 'an object of backup options' })
