import { parseArgs } from 'node:util'
import { formatSize, parseSize } from '../config/size.js'
import { startMemcachedServer } from '../memcached-server/server.js'
import type { Terminal } from './terminal.js'
import { UsageError } from './usage-error.js'

export const nodeHelp = `Usage: holdfast node [options]

An embedded storage node in the foreground: for trying out and for development. Production wants memcached or Redis.

  --port <port>      default 11311; 0: any free one
  --host <address>   default 127.0.0.1; it has no authentication, so keep it to yourself
  --memory <size>    what it may hold before it drops the least recently used sessions (default 64MB)
  --help             this text`

const HINT = 'holdfast node --help'

/** `holdfast node`: resolves with the exit code after SIGINT or SIGTERM. */
export async function node(args: string[], io: Terminal): Promise<number> {
  const { help, host, port, memoryLimit } = parseNodeOptions(args)
  if (help) {
    io.stdout.write(`${nodeHelp}\n`)
    return 0
  }
  const ending = endOfProcess()
  try {
    const server = await startMemcachedServer({ host, port, memoryLimit })
    io.stdout.write(`holdfast node listens on ${server.host}:${server.port} with ${formatSize(memoryLimit)}\n`)
    await ending
    await server.close()
    return 0
  } catch (error) {
    io.stderr.write(`holdfast node: ${explain(error, host, port)}\n`)
    return 1
  }
}

function parseNodeOptions(args: string[]) {
  const values = parse(args)
  const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : Number.NaN
  if (!(port <= 65_535)) throw new UsageError(`--port: ${JSON.stringify(values.port)} is not a port`, HINT)
  const memoryLimit = parseSize(values.memory)
  if (!memoryLimit) throw new UsageError(`--memory: ${JSON.stringify(values.memory)} is not a size, as 64MB is`, HINT)
  return { help: values.help, host: values.host, port, memoryLimit }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        host: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string', default: '11311' },
        memory: { type: 'string', default: '64MB' },
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), HINT)
  }
}

/** A parent that started us with an IPC channel and has died counts as a signal. */
function endOfProcess(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
    process.once('disconnect', () => resolve())
  })
}

function explain(error: unknown, host: string, port: number): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause as NodeJS.ErrnoException | undefined
  return cause?.code === 'EADDRINUSE'
    ? `port ${port} on ${host} is taken; choose another one with --port`
    : error.message
}
