import { attribute, defineMBean, type MBean } from '../admin/mbean/mbean.js'
import { boolean, long } from '../admin/mbean/value-type.js'
import type { Managed } from './managed.js'
import { setting } from './setting.js'

/** The queue of sessions that wait to be stored. */
export function writeBehindBean(managed: Managed): MBean {
  const { queue } = managed.manager
  return defineMBean({
    name: 'holdfast:type=WriteBehind',
    description: 'The queue of changed sessions on their way to the storage nodes.',
    attributes: {
      PendingSessions: attribute({
        type: long(),
        description: 'Sessions whose newest content is on its way to a storage node.',
        read: () => queue.size,
      }),
      PendingBytes: attribute({
        type: long(),
        description: 'Bytes of those sessions.',
        read: () => queue.pendingBytes,
      }),
      OldestPendingAge: attribute({
        type: long(),
        description: 'Milliseconds since the oldest of them was queued; 0: there is none.',
        read: () => queue.oldestAge,
      }),
      HasRoom: attribute({
        type: boolean(),
        description: 'false: responses are held back until more has been stored.',
        read: () => queue.hasRoom,
      }),
      Concurrency: setting(managed, {
        type: long({ min: 1, max: 1024 }),
        description: 'Writes under way at once, a node.',
        read: ({ backup }) => backup.concurrency,
        change: (concurrency) => ({ backup: { concurrency } }),
      }),
      MaxPendingBytes: setting(managed, {
        type: long({ min: 64 * 1024, max: 1024 ** 4 }),
        description: 'Bytes of sessions that wait to be stored, before responses are held back.',
        read: ({ backup }) => backup.maxPendingBytes,
        change: (maxPendingBytes) => ({ backup: { maxPendingBytes } }),
      }),
      Attempts: setting(managed, {
        type: long({ min: 1, max: 20 }),
        description: "Attempts on one node before a session's backup moves to another.",
        read: ({ backup }) => backup.attempts,
        change: (attempts) => ({ backup: { attempts } }),
      }),
    },
  })
}
