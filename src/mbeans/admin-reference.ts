import type { Attribute, MBean, Operation } from '../admin/mbean/mbean.js'
import { systemClock } from '../clock.js'
import { parseSettings } from '../config/parse-settings.js'
import { silentLogger } from '../logger.js'
import { ManagerContext } from '../manager/context/manager-context.js'
import { ServerSessions } from '../manager/server-sessions.js'
import { parseNodeAddress } from '../node/address/node-address.js'
import { openNode } from '../node/open-node.js'
import { WatchedNode } from '../placement/watched-node.js'
import { Beans } from './beans.js'
import type { Managed } from './managed.js'
import { metricFamilies } from './metrics/families.js'
import type { Family } from './metrics/family.js'

const begin = '<!-- Made from src/mbeans by `npm run docs`. Do not edit it by hand. -->'
const end = '<!-- End of what is made. -->'

/** The page `docs/admin.md` with its tables of MBeans and metrics as they are now. @throws {Error} for a page without their place. */
export function withAdminReference(page: string): string {
  const [start, stop] = [page.indexOf(begin), page.indexOf(end)]
  if (start === -1 || stop < start) throw new Error('the page has no place for the tables')
  return `${page.slice(0, start + begin.length)}\n\n${adminReference()}\n\n${page.slice(stop)}`
}

/** Every MBean with its attributes and operations, and every metric, as Markdown. */
function adminReference(): string {
  const managed = unused()
  const { registry, census } = new Beans(managed, '')
  return [...registry.all().map(beanPart), metricsPart(metricFamilies(managed, census, ''))].join('\n\n')
}

/** A session manager with one node that never starts: what it consists of is told without it. */
function unused(): Managed {
  const settings = parseSettings({ secret: 'of no use, never signs', logger: silentLogger })
  const context = new ManagerContext(settings, systemClock)
  const manager = new ServerSessions(context, (address) => openNode(address, { operationTimeout: 1000 }))
  const node = openNode(parseNodeAddress('memory://'), { operationTimeout: 1000 })
  const { clock, random } = context
  const { probeInterval, operationTimeout } = settings
  const watching = { clock, random, probeInterval: () => probeInterval, operationTimeout: () => operationTimeout }
  context.placement.use([new WatchedNode(node, watching, manager.nodes)], [])
  return { manager, startedAt: 0, state: 'starting', reconfigure: () => {} }
}

function beanPart(bean: MBean): string {
  const parts = [
    `### ${bean.name.text.replace('id=default', 'id=…')}`,
    bean.description,
    table(['attribute', 'type', 'write', 'meaning'], [...bean.attributes.values()].map(attributeRow)),
  ]
  if (bean.operations.size > 0) {
    parts.push(table(['operation', 'gives', 'needs', 'meaning'], [...bean.operations.values()].map(operationRow)))
  }
  return parts.join('\n\n')
}

function attributeRow({ name, type, description, write, writeRight }: Attribute): string[] {
  return [
    `\`${name}\``,
    shortType(type.java),
    write === undefined ? '' : writeRight === 'operator' ? 'yes' : writeRight,
    description,
  ]
}

function operationRow({ name, args, returns, right, description }: Operation): string[] {
  const names = args.map((argument) => (argument.optional ? `[${argument.name}]` : argument.name))
  const meanings = args.map(
    (argument) => ` \`${argument.name}\` (${shortType(argument.type.java)}): ${argument.description}`,
  )
  return [`\`${name}(${names.join(', ')})\``, shortType(returns.java), right, description + meanings.join('')]
}

function shortType(java: string): string {
  return java.slice(java.lastIndexOf('.') + 1).toLowerCase()
}

function metricsPart(families: readonly Family[]): string {
  const rows = families.map(({ name, type, help, samples }) => {
    const labels = new Set(samples().flatMap((sample) => Object.keys(sample.labels ?? {})))
    labels.delete('le')
    return [`\`${name}\``, type, [...labels].join(', '), `${help}.`]
  })
  return `## Metrics\n\n${table(['metric', 'type', 'labels', 'meaning'], rows)}`
}

function table(head: readonly string[], rows: readonly string[][]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}
