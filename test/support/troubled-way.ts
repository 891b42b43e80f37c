import { startFaultyServer } from '../../src/testing/index.js'
import { FaultyRedis } from './faulty-redis.js'
import type { Place } from './storages.js'

/** A way to a storage node of any kind, with the troubles that every kind can have. */
export interface TroubledWay extends Place {
  /** Requests are carried out at once and answered after so many milliseconds; with `writes`, only fenced writes. */
  delay(ms: number, which?: 'writes'): void
  /** Requests have no effect and get no answer. */
  silence(): void
  /** Fenced writes get an error for an answer. */
  refuseWrites(): void
  heal(): void
  close(): Promise<void>
}

const memcachedSet = 0x01
const temporaryFailure = 0x86

export async function troubledMemcached(place: Place): Promise<TroubledWay> {
  const faulty = await startFaultyServer(place)
  return Object.assign(faulty, {
    delay: (ms: number, which?: 'writes') =>
      faulty.fail({ kind: 'delay', ms }, which === 'writes' ? { opcode: memcachedSet } : {}),
    silence: () => faulty.fail({ kind: 'silent' }),
    refuseWrites: () => faulty.fail({ kind: 'status', status: temporaryFailure }, { opcode: memcachedSet }),
  })
}

export async function troubledRedis(place: Place): Promise<TroubledWay> {
  const faulty = new FaultyRedis(place)
  await faulty.start()
  return Object.assign(faulty, {
    delay: (ms: number, which?: 'writes') =>
      faulty.fail({ kind: 'delay', ms }, which === 'writes' ? { command: 'EVALSHA' } : {}),
    silence: () => faulty.fail({ kind: 'silent' }),
    refuseWrites: () => faulty.fail({ kind: 'answer', bytes: '-OOM command not allowed\r\n' }, { command: 'EVALSHA' }),
  })
}
