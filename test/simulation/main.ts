import { parseArgs } from 'node:util'
import { readerFor } from '../support/command-line.js'
import { type Configuration, findViolation, type Step, troubles } from './simulation.js'

const usage = `npm run simulate -- [--histories 1000] [--seed N] [--mode sticky|non-sticky] [--backup sync|async]
                       [--storage memcached|redis] [--nodes 2] [--servers 2] [--copies 2] [--troubles ${troubles.join(',')}]
With --no-shrink a violation is shown as it was found, without a search for fewer steps.
Without a mode or a storage it runs both. Ends with 1 when a history breaks a promise.`

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    mode: { type: 'string' },
    backup: { type: 'string', default: 'sync' },
    storage: { type: 'string' },
    nodes: { type: 'string', default: '2' },
    servers: { type: 'string', default: '2' },
    copies: { type: 'string' },
    troubles: { type: 'string', default: troubles.join(',') },
    'no-shrink': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const { choice, number } = readerFor(usage)
const modes = choice('mode', values.mode, ['sticky', 'non-sticky'])
const storages = choice('storage', values.storage, ['memcached', 'redis'])
const backup = choice('backup', values.backup, ['sync', 'async'] as const)[0] as 'sync' | 'async'
const [histories, seed] = [number('histories', values.histories), number('seed', values.seed)]
const [nodes, servers] = [number('nodes', values.nodes), number('servers', values.servers)]
const copies = values.copies === undefined ? {} : { copies: number('copies', values.copies) }
const chosen =
  values.troubles === '' ? [] : values.troubles.split(',').flatMap((name) => choice('troubles', name, troubles))

if (values.help) console.log(usage)
else
  for (const mode of modes)
    for (const storage of storages) await run({ mode, storage, backup, nodes, servers, ...copies, troubles: chosen })

async function run(configuration: Configuration): Promise<void> {
  const { mode, storage } = configuration
  const began = performance.now()
  const finding = await findViolation(configuration, { histories, seed, shrink: !values['no-shrink'] })
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const title = `${mode} (${backup}) on ${nodes} ${storage}, seed ${seed}`
  if (finding === undefined) {
    console.log(`${title}: ${histories} histories in ${seconds} s, no violation`)
    return
  }
  process.exitCode = 1
  console.log(`${title}: violation after ${finding.histories} histories, ${seconds} s`)
  for (const violation of finding.violations) console.log(`  ${violation}`)
  console.log(`  schedule ${finding.seed}, steps:`)
  for (const step of finding.steps) console.log(`    ${describe(step)}`)
}

function describe({ kind, gap, visitor, server, node, attribute, ms, kept }: Step): string {
  return `+${gap} ms ${kind}: visitor ${visitor}, server ${server}, node ${node}, attribute ${attribute}, ${ms} ms, kept ${kept}`
}
