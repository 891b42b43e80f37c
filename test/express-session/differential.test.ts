import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type Scenario, scenarios } from './scenarios.js'
import { type Handle, holdfastWorld, modes, originalWorld, type Seen, type World } from './worlds.js'

/*
 * The guard of the sentence "What is not listed here behaves as in express-session": the same applications over both, and what
 * a browser sees of them. Where they are to differ, the migration page says so.
 */
const page = readFileSync(new URL('../../docs/migrating-from-express-session.md', import.meta.url), 'utf8')

async function play(world: World, { visits }: Scenario): Promise<Seen[]> {
  try {
    const seen: Seen[] = []
    for (const visit of visits) {
      const [path = '/', cookie] = visit.split('?cookie=')
      seen.push(await world.visit(path, cookie === undefined ? {} : { cookie }))
    }
    return seen
  } finally {
    await world.close()
  }
}

const served =
  ({ handle }: Scenario): Handle =>
  (req, res) =>
    handle[req.path]?.(req, res)

const originals = new Map<Scenario, Promise<Seen[]>>()

function original(scenario: Scenario): Promise<Seen[]> {
  const seen =
    originals.get(scenario) ??
    originalWorld(scenario.options ?? {}, served(scenario)).then((world) => play(world, scenario))
  originals.set(scenario, seen)
  return seen
}

describe.each(modes)('an application over express-session and over Holdfast, %s', (mode) => {
  it.each(scenarios)('is the same to its visitors: $title', async (scenario) => {
    const { options = {}, differs } = scenario
    const seen = await play(await holdfastWorld(mode, options, served(scenario)), scenario)
    const isToDiffer = differs !== undefined && (differs.modes ?? modes).includes(mode)
    if (isToDiffer) expect(seen, 'the difference is gone: take it out').not.toEqual(await original(scenario))
    else expect(seen).toEqual(await original(scenario))
  })
})

describe('a difference', () => {
  it.each(scenarios.filter(({ differs }) => differs !== undefined))('has its row: $title', ({ differs }) => {
    expect(page).toContain(differs?.row)
  })
})
