import { parseArgs } from 'node:util'
import { readerFor } from '../support/command-line.js'
import '../support/patience.js'
import { type Outcome, runHistory } from './history.js'
import type { Configuration } from './shop.js'

const usage = `npm run histories -- [--seeds 50] [--seed N] [--mode sticky|non-sticky] [--storage memcached|redis] [--nodes 2|3] [--troubles 4]
Random histories on real servers; with --seed the first one has that seed. Without a mode or a storage it runs both.
Ends with 1 when a history breaks a promise.`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    mode: { type: 'string' },
    storage: { type: 'string' },
    nodes: { type: 'string', default: '2' },
    troubles: { type: 'string', default: '4' },
    help: { type: 'boolean', default: false },
  },
})

const { choice, number } = readerFor(usage)
const modes = choice('mode', values.mode, ['sticky', 'non-sticky'])
const storages = choice('storage', values.storage, ['memcached', 'redis'])
const [seeds, first] = [number('seeds', values.seeds), number('seed', values.seed)]
const troubles = number('troubles', values.troubles)
const nodes = Number(choice('nodes', values.nodes, ['2', '3'])[0])

if (values.help) console.log(usage)
else for (const mode of modes) for (const storage of storages) await run({ mode, storage, nodes, troubles })

async function run(configuration: Configuration): Promise<void> {
  const { mode, storage } = configuration
  const title = `${mode} on ${nodes} ${storage}`
  let broken = 0
  for (let seed = first; seed < first + seeds; seed++) {
    const began = performance.now()
    const outcome = await runHistory(configuration, seed)
    const { requests, unavailable, violations } = outcome
    if (violations.length > 0) broken++
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    const answers = `${requests} requests, ${unavailable} with 503`
    console.log(`${title}, seed ${seed}: ${violations.length} violations, ${answers}, ${seconds} s`)
    report(outcome)
  }
  console.log(`${title}: ${broken} of ${seeds} histories broke a promise`)
  if (broken > 0) process.exitCode = 1
}

function report({ violations, troubles }: Outcome): void {
  if (violations.length > 0) for (const trouble of troubles) console.log(`  ${trouble}`)
  for (const { what, story } of violations) {
    console.log(`  ${what}`)
    for (const line of story) console.log(`    ${line}`)
  }
}
