import { type Argument, operation } from '../admin/mbean/mbean.js'
import { boolean, choice, illegalArgument, long, map, nothing, string } from '../admin/mbean/value-type.js'
import { jsonText } from './json-text.js'
import type { Managed } from './managed.js'
import { type ListOrder, SessionPages } from './session-pages.js'

/** Below the longest time that one operation may take over HTTP. */
const LONGEST_FLUSH = 25_000
const LARGEST_PAGE = 1000

const handleForm = /^[A-Za-z0-9_-]{12}$/

/* Somebody may give a whole id by mistake: that has no place in a log. */
const handle: Argument<string> = {
  name: 'handle',
  type: string({ form: handleForm, expected: 'the handle of a session: 12 letters, digits, "_" and "-"' }),
  description: 'The handle of the session, as lists, logs and events show it.',
  audited: (value) => (typeof value === 'string' && handleForm.test(value) ? value : '[no handle]'),
}

const attributeName: Argument<string> = {
  name: 'attribute',
  type: string(),
  description: 'The name of the attribute.',
}

/** Looking at sessions. */
export function sessionLookUps({ manager }: Managed) {
  const { directory } = manager
  const pages = new SessionPages(manager.directory)
  return {
    findSession: operation({
      description:
        'Meta data of a session, where its copies are, and the names, sizes and codecs of its attributes; null: this server knows none of that handle.',
      args: [handle],
      returns: map(),
      right: 'viewer',
      invoke: async (handle) => ((await directory.describe(handle)) ?? null) as object,
    }),
    sessionValue: operation({
      description: 'The stored value of one attribute of a session as JSON; null: there is none.',
      args: [handle, attributeName],
      returns: string(),
      right: 'values',
      invoke: async (handle, attribute) => {
        const found = await directory.valueOf(handle, attribute)
        return (found === undefined ? null : jsonText(found.value)) as string
      },
    }),
    listSessions: operation({
      description: 'A page of the sessions that this server knows: { total, offset, sessions }.',
      args: [
        { name: 'offset', type: long({ min: 0 }), description: 'Sessions to leave out.' },
        { name: 'limit', type: long({ min: 1, max: LARGEST_PAGE }), description: 'Sessions in the page at most.' },
        {
          name: 'order',
          type: choice('recorded', 'accessed', 'expires', 'size'),
          description:
            'recorded (default): as they came to this server; accessed: those used last first; expires: those that end first; size: the largest first.',
          optional: true,
        } as Argument<ListOrder | undefined>,
      ],
      returns: map(),
      right: 'viewer',
      invoke: async (offset: number, limit: number, order: ListOrder = 'recorded') => {
        try {
          return await pages.page(offset, limit, order)
        } catch (error) {
          throw error instanceof RangeError ? illegalArgument(error.message) : error
        }
      },
    }),
  }
}

/** Ending sessions. */
export function sessionEndings({ manager }: Managed) {
  const { directory } = manager
  return {
    expireSession: operation({
      description: 'Ends a session on all servers as if its time were over. Answers whether there was one.',
      args: [handle],
      returns: boolean(),
      invoke: (handle) => directory.expire(handle),
    }),
    destroySession: operation({
      description: 'Destroys a session on all servers. Answers whether there was one.',
      args: [handle],
      returns: boolean(),
      invoke: (handle) => directory.destroy(handle),
    }),
    endAllSessionsBefore: operation({
      description:
        'Logs everybody out: ends every session that was created before, on all servers, also those that no server has in its memory. Answers whether every storage node has taken that; one that has not is told as soon as it answers.',
      args: [
        {
          name: 'time',
          type: long({ min: 0 }),
          description: 'Milliseconds since the epoch, not in the future. Left out: now.',
          optional: true,
        },
      ],
      returns: boolean(),
      invoke: (time?: number) => {
        const now = manager.context.clock.now()
        if (time !== undefined && time > now) throw illegalArgument(`${time} is in the future`)
        return manager.endAllBefore(time ?? now)
      },
    }),
    destroyAllSessions: operation({
      description: 'Destroys every session that this server knows, in batches. Answers how many there were.',
      returns: long(),
      invoke: () => directory.destroyAll(),
    }),
  }
}

/** Bringing sessions to safety. */
export function sessionStoring({ manager }: Managed) {
  return {
    flush: operation({
      description: 'Stores what is pending. Answers how many sessions could not be stored in time.',
      args: [{ name: 'timeout', type: long({ min: 0, max: LONGEST_FLUSH }), description: 'Milliseconds at most.' }],
      returns: long(),
      invoke: async (timeout) => (await manager.flush(timeout)).unsaved,
    }),
    reprotect: operation({
      description:
        'Looks at all sessions in the background, and stores those again that are not where they should be, at the rate ProtectRate.',
      returns: nothing(),
      invoke: () => manager.currentMode.reprotect(),
    }),
  }
}
