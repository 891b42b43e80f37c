import type { Terminal } from '../terminal.js'
import { Demo } from './demo.js'
import { DemoError } from './demo-error.js'
import { choosePorts, type DemoOptions, demoHelp, parseDemoOptions } from './demo-options.js'
import { type Interruption, watchForInterruption } from './interruption.js'
import { findMemcached, LOOPBACK } from './storage-process.js'
import { tellStory } from './story.js'
import { TerminalLog } from './terminal-log.js'

/** `holdfast demo`: resolves with the exit code when the story is told, or after Ctrl-C. */
export async function demo(args: string[], io: Terminal): Promise<number> {
  const options = parseDemoOptions(args)
  if (options.help) {
    io.stdout.write(`${demoHelp}\n`)
    return 0
  }
  try {
    return await run(options, io)
  } catch (error) {
    if (!(error instanceof DemoError)) throw error
    io.stderr.write(`holdfast demo: ${error.message}\n`)
    return 1
  }
}

async function run(options: DemoOptions, io: Terminal): Promise<number> {
  await requireExpress()
  const memcached = options.embedded ? undefined : findMemcached()
  const demo = new Demo({
    memcached,
    mode: options.mode,
    serverPorts: await choosePorts(options.serverPorts, '--server-ports'),
    adminPorts: options.dashboards ? await choosePorts(options.adminPorts, '--admin-ports') : undefined,
    nodePorts: await choosePorts(options.nodePorts, '--node-ports'),
  })
  const terminal = new TerminalLog((line) => io.stdout.write(`${line}\n`))
  demo.log.subscribe((event) => terminal.print(event))
  const killNow = (): void => demo.cluster.killNow()
  const interruption = watchForInterruption(() => process.exit(130))
  process.once('exit', killNow)
  try {
    io.stdout.write(
      `Storage nodes: ${memcached === undefined ? 'embedded' : `memcached (${memcached})`}; sessions: ${options.mode}\n`,
    )
    const started = await Promise.race([demo.start(options.host, options.port), interruption.happened])
    if (started === 'interrupted') return 130
    return options.script ? await script(demo, options, interruption, io) : await serve(demo, options, interruption, io)
  } finally {
    await demo.stop()
    terminal.flush()
    process.off('exit', killNow)
    interruption.end()
  }
}

async function serve(demo: Demo, { host }: DemoOptions, { happened }: Interruption, io: Terminal): Promise<number> {
  io.stdout.write(`\n  The shop is open: http://localhost:${demo.port}/   (Ctrl-C stops everything)\n`)
  for (const { name, dashboard } of demo.cluster.servers) {
    if (dashboard !== undefined) io.stdout.write(`  Dashboard of server ${name}: ${dashboard}\n`)
  }
  io.stdout.write('\n')
  if (host !== LOOPBACK)
    io.stdout.write(`  It listens on ${host}: whoever reaches this port can kill and revive the processes.\n\n`)
  await happened
  io.stdout.write('\nStopping: the servers store what they still have, then the storage nodes end.\n')
  return 0
}

async function script(
  demo: Demo,
  { visitors }: DemoOptions,
  { happened }: Interruption,
  io: Terminal,
): Promise<number> {
  const outcome = await Promise.race([tellStory(demo, io, { visitors }), happened])
  if (outcome === 'interrupted') return 130
  return outcome.held ? 0 : 1
}

async function requireExpress(): Promise<void> {
  try {
    await import('express')
  } catch (cause) {
    throw new DemoError('the demo needs Express, which is not installed: npm install express', { cause })
  }
}
