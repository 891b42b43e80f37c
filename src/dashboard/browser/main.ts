import { Actions } from './actions.js'
import { Announcer } from './announcer.js'
import { Charts } from './charts.js'
import { ConfirmDialog } from './confirm-dialog.js'
import { byId, setText } from './elements.js'
import { formatDuration } from './format.js'
import { History } from './history.js'
import { JolokiaClient, RefusedError } from './jolokia-client.js'
import { Login } from './login.js'
import { Maintenance } from './maintenance.js'
import { Nodes } from './nodes.js'
import { showOverview } from './overview.js'
import { Permissions } from './permissions.js'
import { type Connection, Poller } from './poller.js'
import { sampleOf } from './rates.js'
import { Sessions } from './sessions.js'
import { Settings } from './settings.js'
import { readSnapshot, type Snapshot, snapshotRequests } from './snapshot.js'

const client = new JolokiaClient()
const poller = new Poller(poll, showConnection)
const parts = { client, dialog: new ConfirmDialog(), announcer: new Announcer(), onChange: () => poller.now() }
const actions = new Actions(parts, new Permissions())
const login = new Login(client, () => {
  permissionsKnown = false
  poller.now()
})
const charts = new Charts()
const history = new History()
const nodes = new Nodes(actions)
const sessions = new Sessions(actions)
const settings = new Settings(actions)
const maintenance = new Maintenance(actions)
let last: Snapshot | undefined
let permissionsKnown = false

poller.now()

/** One request for all figures; what may be changed is asked for when it is not known, or when there are new MBeans. */
async function poll(): Promise<void> {
  if (!permissionsKnown) await learnPermissions()
  const snapshot = readSnapshot(await client.bulk(snapshotRequests(actions.permissions.settings())), Date.now())
  if (snapshot.nodes.some(({ mbean }) => !actions.permissions.knows(mbean))) permissionsKnown = false
  show(snapshot)
}

async function learnPermissions(): Promise<void> {
  const [answer] = await client.bulk([{ type: 'list' }])
  if (answer?.status !== 200) throw new RefusedError(answer?.error ?? 'the list of MBeans is refused')
  actions.permissions = new Permissions(answer.value)
  permissionsKnown = true
  byId('read-only').hidden = actions.permissions.canChange
  for (const part of [sessions, settings, maintenance]) part.rebuild()
}

function show(snapshot: Snapshot): void {
  login.done()
  showOverview(snapshot, last)
  history.push(snapshot.at / 1000, sampleOf(snapshot, last))
  charts.show(history)
  nodes.show(snapshot)
  settings.show(snapshot)
  last = snapshot
}

function showConnection(connection: Connection): void {
  const { state } = connection
  byId('connection').dataset.state = state
  setText(byId('connection'), connectionTexts[state])
  document.body.classList.toggle('stale', state === 'broken')
  byId('broken').hidden = state !== 'broken'
  if (connection.state === 'broken') {
    /* The server may come back as another version, or let somebody do less. */
    permissionsKnown = false
    const { reason, retryIn } = connection
    setText(
      byId('broken'),
      `No connection to the server: ${reason}. What you see is old. Next attempt in ${formatDuration(retryIn)}.`,
    )
  }
  if (state === 'login') login.ask()
}

const connectionTexts = { live: 'live', paused: 'paused', login: 'login needed', broken: 'no connection' } as const
