import { describeSettings } from '../config/describe-settings.js'
import { type LoadedOptions, loadOptions } from '../config/load-file.js'
import { parseSettings } from '../config/parse-settings.js'
import type { Settings } from '../config/settings.js'
import { configurationWarnings } from '../config/warnings.js'
import { ConfigError } from '../errors.js'
import type { NodeAddress } from '../node/address/node-address.js'
import { openNode } from '../node/open-node.js'
import type { ServerFigures } from '../node/server-figures.js'
import type { StorageNode } from '../node/storage-node.js'
import { type ProbeResult, probeNode } from './probe-node.js'
import { type Painter, painter, plainText, type Terminal, table } from './terminal.js'

export const checkUsage = `Usage: holdfast check [file]

Validates a configuration, prints the effective settings without secrets, and asks every storage node: a value is written, read,
replaced under a fence, renewed and removed there, and what the server tells of itself is shown, with what it can't do.
Without a file: holdfast.config.* in the working directory.

Exit code: 0 all is well, 1 the configuration can't be used, 2 a storage node does not answer.
`

const [allWell, unusable, nodeDown] = [0, 1, 2]

/** `holdfast check [file]`: gives the exit code. */
export async function check(args: readonly string[], io: Terminal): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    io.stdout.write(checkUsage)
    return allWell
  }
  if (args.length > 1 || args[0]?.startsWith('-')) {
    io.stderr.write(checkUsage)
    return unusable
  }
  const read = readConfiguration(args[0], io)
  if (read === undefined) return unusable
  printSettings(read.loaded, read.settings, io)
  return askNodes(read.settings, io)
}

function readConfiguration(path: string | undefined, io: Terminal) {
  try {
    const loaded = loadOptions(path)
    return { loaded, settings: parseSettings(loaded.options, loaded.source) }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    io.stderr.write(`${painter(io.stderr).red(error.message)}\n`)
    return undefined
  }
}

function printSettings(loaded: LoadedOptions, settings: Settings, io: Terminal): void {
  const paint = painter(io.stdout)
  const rows = Object.entries(describeSettings(settings)).map(([key, value]) => [`  ${key}`, plainText(value)])
  io.stdout.write(`${paint.bold(loaded.source)} can be used. Effective settings:\n\n${table(rows)}\n`)
  for (const warning of configurationWarnings(loaded.options, settings)) {
    io.stdout.write(`${paint.yellow('Note:')} ${plainText(warning)}\n`)
  }
}

type Answer = { state: 'ok'; latency: ProbeResult; server: string[] } | { state: 'down' | 'own'; reason: string }

async function askNodes(settings: Settings, io: Terminal): Promise<number> {
  const paint = painter(io.stdout)
  const answers = await Promise.all(settings.nodes.map((address) => askNode(address, settings)))
  const rows = settings.nodes.map((address, index) => {
    const answer = answers[index] as Answer
    return [`  ${address.id ?? '-'}`, address.label, stateMark(answer, paint), detail(answer)]
  })
  io.stdout.write(`\n${paint.bold('Storage nodes')}\n\n${table(rows)}`)
  settings.nodes.forEach(({ id, label }, index) => {
    const answer = answers[index] as Answer
    if (answer.state !== 'ok' || answer.server.length === 0) return
    io.stdout.write(
      `\n  ${plainText(id ?? label)}\n${answer.server.map((line) => `    ${plainText(line)}\n`).join('')}`,
    )
  })
  return answers.some((answer) => answer.state === 'down') ? nodeDown : allWell
}

async function askNode(address: NodeAddress, settings: Settings): Promise<Answer> {
  const node = openNode(address, { operationTimeout: settings.operationTimeout, keyPrefix: settings.keyPrefix })
  try {
    const latency = await probeNode(node, settings.keyPrefix)
    return { state: 'ok', latency, server: await describeServer(node) }
  } catch (error) {
    if (isCarriedHere(address, settings))
      return { state: 'own', reason: 'starts with the server that carries it (embed)' }
    return { state: 'down', reason: error instanceof Error ? error.message : String(error) }
  } finally {
    await node.close()
  }
}

/* That a server tells nothing of itself is no reason not to use it. */
async function describeServer(node: StorageNode): Promise<string[]> {
  try {
    const figures = await node.figures?.(true)
    return figures === undefined ? [] : linesOf(figures, node.maxValueBytes)
  } catch (error) {
    return [`tells nothing of itself: ${error instanceof Error ? error.message : String(error)}`]
  }
}

function linesOf({ server, protocol, ...figures }: ServerFigures, maxValueBytes: number): string[] {
  const { usedBytes, maxBytes, evictions, evictionPolicy, maxItemBytes, missing } = figures
  const limit = maxBytes === 0 ? 'no limit' : maxBytes === undefined ? undefined : `limit ${bytes(maxBytes)}`
  const memory = [usedBytes === undefined ? undefined : `${bytes(usedBytes)} used`, limit].filter((text) => text)
  const largest = Math.min(maxItemBytes ?? Number.POSITIVE_INFINITY, maxValueBytes)
  const rows = [
    ['server', server],
    ['protocol', protocol],
    [
      'largest item',
      `${bytes(largest)}${maxItemBytes === undefined ? '' : ` (the server takes ${bytes(maxItemBytes)})`}`,
    ],
    ['memory', memory.length === 0 ? undefined : memory.join(', ')],
    ['when it is full', evictionPolicy === undefined ? undefined : policyText(evictionPolicy)],
    ['evictions so far', evictions === undefined ? undefined : String(evictions)],
    ...missing.map((what) => ['missing', what]),
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
}

function policyText(policy: string): string {
  const meaning =
    policy === 'noeviction' ? 'writes are refused, nothing that is stored goes' : 'sessions are lost before their time'
  return `${policy}: ${meaning}`
}

function bytes(count: number): string {
  return count < 1024 * 1024 ? `${(count / 1024).toFixed(0)} KiB` : `${(count / 1024 / 1024).toFixed(1)} MiB`
}

/** The server's own embedded node can't answer while the server is not running. */
function isCarriedHere(address: NodeAddress, { embed }: Settings): boolean {
  return (
    embed !== undefined && address.scheme === 'embedded' && address.host === embed.host && address.port === embed.port
  )
}

function stateMark({ state }: Answer, paint: Painter): string {
  if (state === 'ok') return paint.green('answers')
  return state === 'own' ? paint.yellow('not started') : paint.red('no answer')
}

function detail(answer: Answer): string {
  if (answer.state !== 'ok') return plainText(answer.reason)
  return Object.entries(answer.latency)
    .map(([step, took]) => `${step} ${took.toFixed(1)}ms`)
    .join(', ')
}
