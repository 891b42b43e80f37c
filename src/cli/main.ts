#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import type { Terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

const help = `Usage: holdfast <command> [options]

  demo             a small cluster on this machine, to see sessions survive (--script: without a person)
  check [config]   validates a configuration and asks every storage node
  node             an embedded storage node in the foreground
  status [url]     what a running server does, from its administration
  hash-password    the hash of a password, for the administration's users
  balancer <kind>  a configuration for nginx, HAProxy, Apache and others

  --help           this text; holdfast <command> --help tells more
  --version        the version`

const commands = 'demo, check, node, status, hash-password and balancer'

const io: Terminal = { stdout: process.stdout, stderr: process.stderr }

process.exitCode = await main(process.argv.slice(2))
// A parent's IPC channel would keep us alive.
if (process.connected) process.disconnect()

async function main([command, ...args]: string[]): Promise<number> {
  try {
    return await run(command, args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    io.stderr.write(`holdfast: ${error.message}\nTry: ${error.hint}\n`)
    return 2
  }
}

/** Commands are loaded when they are asked for: `check` needs nothing of the demo. */
async function run(command: string | undefined, args: string[]): Promise<number> {
  switch (command) {
    case 'demo':
      return await (await import('./demo/demo-command.js')).demo(args, io)
    case 'check':
      return await (await import('./check.js')).check(args, io)
    case 'status':
      return await (await import('./status/status-command.js')).status(args, io)
    case 'node':
      return await (await import('./node-command.js')).node(args, io)
    case 'hash-password':
      return await (await import('./hash-password.js')).hashPasswordCommand(args, io)
    case 'balancer':
      return await (await import('./balancer/balancer-command.js')).balancer(args, io)
    case '--version':
    case '-v':
      io.stdout.write(`${version()}\n`)
      return 0
    case '--help':
    case '-h':
    case 'help':
      io.stdout.write(`${help}\n`)
      return 0
    case undefined:
      throw new UsageError(`which command? There are ${commands}`)
    default:
      throw new UsageError(`there is no command ${JSON.stringify(command)}; there are ${commands}`)
  }
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
