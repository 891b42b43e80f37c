import { existsSync, writeFileSync } from 'node:fs'
import { describeRun, writeFigures } from './documentation.js'
import { describeEnvironment } from './environment.js'
import { measureCpu } from './measure-cpu.js'
import { measureMemory } from './measure-memory.js'
import { parseOptions, UsageError, usage } from './options.js'
import { cpuReport, memoryReport, shareOfReference, summary } from './report.js'
import { MEMORY } from './scenarios.js'
import { StopList } from './stop-list.js'
import { StorageError, startStorages } from './storage/storage.js'
import { BUILT, isHoldfast } from './subjects.js'

const stopList = new StopList()

/** @param {string[]} args */
async function main(args) {
  const options = parseOptions(args)
  if (options === 'help') return console.log(usage)
  checkBuild(options)
  const environment = describeEnvironment()
  console.log(`${describeRun(environment, options)}\n`)
  const storages = await startStorages(options.subjects, stopList)
  const results = {}
  for (const size of options.sizes) {
    results[size] = {}
    for (const name of options.scenarios) {
      results[size][name] = await runScenario(name, { ...options, size }, { storages, stopList })
    }
    console.log(`${summary(size, results[size])}\n`)
  }
  if (options.json !== undefined) writeJson(options, { environment, results })
  if (options.write) writeFigures({ environment, options, results })
}

async function runScenario(name, options, surroundings) {
  if (name === MEMORY) {
    const figures = await measureMemory(options, surroundings)
    console.log(memoryReport(figures))
    return figures
  }
  const figures = await measureCpu(name, options, surroundings)
  console.log(cpuReport(name, options.size, figures))
  return figures.map((row) => ({ ...row, share: shareOfReference(row, figures) }))
}

function checkBuild({ subjects }) {
  if (subjects.some(isHoldfast) && !existsSync(new URL(BUILT))) {
    throw new UsageError('Holdfast is not built. Run npm run build in the folder above')
  }
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
