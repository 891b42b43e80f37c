import { existsSync, writeFileSync } from 'node:fs'
import { describeEnvironment } from './environment.js'
import { measureCpu } from './measure-cpu.js'
import { measureMemory } from './measure-memory.js'
import { parseOptions, UsageError, usage } from './options.js'
import { cpuReport, memoryReport, shareOfReference } from './report.js'
import { MEMORY } from './scenarios.js'
import { StopList } from './stop-list.js'
import { StorageError, startStorages } from './storage/storage.js'

const BUILT = new URL('../../dist/index.js', import.meta.url)

const stopList = new StopList()

/** @param {string[]} args */
async function main(args) {
  const options = parseOptions(args)
  if (options === 'help') return console.log(usage)
  checkBuild(options)
  const environment = describeEnvironment()
  console.log(`${introduction(environment, options)}\n`)
  const storages = await startStorages(options.subjects, stopList)
  const results = {}
  for (const name of options.scenarios) results[name] = await runScenario(name, options, { storages, stopList })
  if (options.json !== undefined) writeJson(options, { environment, results })
}

async function runScenario(name, options, surroundings) {
  if (name === MEMORY) {
    const figures = await measureMemory(options, surroundings)
    console.log(memoryReport(figures))
    return figures
  }
  const figures = await measureCpu(name, options, surroundings)
  console.log(cpuReport(name, figures))
  return figures.map((row) => ({ ...row, share: shareOfReference(row, figures) }))
}

function checkBuild({ subjects }) {
  if (subjects.some(({ mode }) => mode !== undefined) && !existsSync(BUILT)) {
    throw new UsageError('Holdfast is not built. Run npm run build in the folder above')
  }
}

function introduction({ node, processor, cores, packages }, { rounds, requests, sessions, connections }) {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`)
  return [
    `Node ${node}, ${cores} × ${processor}; ${versions.join(', ')}`,
    `${rounds} rounds of ${requests} requests, ${sessions} sessions, ${connections} connections`,
  ].join('\n')
}

function writeJson({ json, subjects, ...settings }, figures) {
  const options = { ...settings, subjects: subjects.map(({ name }) => name) }
  writeFileSync(json, `${JSON.stringify({ ...figures, options }, undefined, 2)}\n`)
}

function report(error) {
  const isExplained = error instanceof UsageError || error instanceof StorageError
  console.error(isExplained ? `bench: ${error.message}` : error)
  process.exitCode = 1
}

async function stopAndExit(code) {
  await stopList.stopAll()
  process.exit(code)
}

process.once('SIGINT', () => stopAndExit(130))
process.once('SIGTERM', () => stopAndExit(143))

try {
  await main(process.argv.slice(2))
} catch (error) {
  // Once an interruption stops the servers, failing requests are what is to be expected.
  if (!stopList.isStopping) report(error)
} finally {
  await stopList.stopAll()
}
