import type { Actions, Operation } from './actions.js'
import type { Question } from './confirm-dialog.js'
import { byId } from './elements.js'
import { formatValue } from './format.js'
import { beans } from './snapshot.js'

interface Task extends Operation {
  /** The button in the page. */
  id: string
  question: Question
  done: (value: unknown) => string
}

const FLUSH_TIMEOUT = 10_000

const tasks: readonly Task[] = [
  {
    id: 'flush',
    mbean: beans.manager,
    name: 'flush',
    args: [FLUSH_TIMEOUT],
    question: {
      title: 'Flush?',
      text: 'Every change that still waits is stored now. The answer comes when it is, after 10 seconds at most.',
      action: 'Flush',
    },
    done: (value) => (value === 0 ? 'Everything is stored.' : `${formatValue(value)} sessions could not be stored.`),
  },
  {
    id: 'reprotect',
    mbean: beans.manager,
    name: 'reprotect',
    question: {
      title: 'Re-protect?',
      text: 'Sessions whose backup is missing or on a draining node are stored again, in the background.',
      action: 'Re-protect',
    },
    done: () => 'Sessions are looked at and protected again.',
  },
  {
    id: 'reset',
    mbean: beans.statistics,
    name: 'reset',
    question: {
      title: 'Reset the statistics?',
      text: 'All counters and histograms begin at zero. Sessions are not touched; counters of /metrics go on.',
      action: 'Reset',
    },
    done: () => 'The statistics begin at zero.',
  },
  {
    id: 'destroy-all',
    mbean: beans.manager,
    name: 'destroyAllSessions',
    question: {
      title: 'Destroy all sessions?',
      text: 'Every visitor of this server loses their session and has to log in again. This can’t be undone.',
      action: 'Destroy all',
      dangerous: true,
    },
    done: (value) => `${formatValue(value)} sessions are destroyed.`,
  },
]

/** The buttons for the server as a whole. */
export class Maintenance {
  private readonly actions: Actions

  constructor(actions: Actions) {
    this.actions = actions
    for (const task of tasks) {
      byId(task.id).addEventListener('click', () => void actions.confirmed(task.question, task, task.done))
    }
  }

  /** After the permissions became known. */
  rebuild(): void {
    for (const { id, name, mbean } of tasks) byId(id).hidden = !this.actions.can(name, mbean)
    byId('maintenance').hidden = !tasks.some(({ name, mbean }) => this.actions.can(name, mbean))
  }
}
