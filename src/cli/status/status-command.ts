import { parseArgs } from 'node:util'
import { parseDuration } from '../../config/duration.js'
import { type Output, type Painter, painter, plainText, type Terminal } from '../terminal.js'
import { UsageError } from '../usage-error.js'
import { askStatus, type Endpoint, type Status, StatusError } from './ask-status.js'
import { printStatus } from './print-status.js'

export const statusHelp = `Usage: holdfast status [url] [options]

What a running server does: its sessions, storage nodes, requests, write-behind queue and locks. Asks the administration at the URL
(default http://127.0.0.1:9400), again and again until Ctrl-C; once where the output is no terminal.

  --once                  one look
  --json                  as JSON, one line a look; one look unless there is an --interval
  --interval <duration>   time between two looks (default 2s)
  --user <name>           logs in as this user, with the password in the variable HOLDFAST_ADMIN_PASSWORD
  --help                  this text

A token in the variable HOLDFAST_ADMIN_TOKEN logs in, too. Neither belongs in the URL.

Exit code: 0 all is well, 1 the server gives no status.`

const HINT = 'holdfast status --help'
const DEFAULT_URL = 'http://127.0.0.1:9400'
const [SHORTEST, LONGEST] = [100, 3_600_000]
const clearScreen = '\u001b[H\u001b[J'

interface StatusOptions {
  endpoint: Endpoint
  once: boolean
  json: boolean
  interval: number
}

/** `holdfast status`: gives the exit code. @param ended ends the looking; default Ctrl-C. */
export async function status(
  args: readonly string[],
  io: Terminal,
  environment: NodeJS.ProcessEnv = process.env,
  ended: AbortSignal = interrupted(),
): Promise<number> {
  const values = parse(args)
  if (values.help) {
    io.stdout.write(`${statusHelp}\n`)
    return 0
  }
  const options = readOptions(values, io.stdout, environment)
  const paint = painter(io.stdout, environment)
  let last: Status | undefined
  do {
    const look = await lookOnce(options.endpoint)
    if (look instanceof StatusError) {
      io.stderr.write(`holdfast status: ${plainText(look.message)}\n`)
      if (options.once || last === undefined) return 1
    } else {
      io.stdout.write(show(look, last, options, io.stdout, paint))
      last = look
    }
  } while (!options.once && (await passes(options.interval, ended)))
  return 0
}

async function lookOnce(endpoint: Endpoint): Promise<Status | StatusError> {
  try {
    return await askStatus(endpoint)
  } catch (error) {
    if (error instanceof StatusError) return error
    throw error
  }
}

function show(
  look: Status,
  last: Status | undefined,
  { json, once }: StatusOptions,
  output: Output,
  paint: Painter,
): string {
  if (json) return `${JSON.stringify(look)}\n`
  const clear = output.isTTY === true && !once ? clearScreen : ''
  return clear + printStatus(look, last, paint)
}

function parse(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        once: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        interval: { type: 'string' },
        user: { type: 'string' },
      },
    })
    if (positionals.length > 1) throw new Error('expected one URL')
    return { ...values, url: positionals[0] ?? DEFAULT_URL }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), HINT)
  }
}

type Values = ReturnType<typeof parse>

function readOptions(values: Values, output: Output, environment: NodeJS.ProcessEnv): StatusOptions {
  const interval = parseDuration(values.interval ?? '2s')
  if (interval === undefined || interval < SHORTEST || interval > LONGEST) {
    throw new UsageError(`--interval: expected a duration from 100ms to 1h, such as 2s`, HINT)
  }
  const endless = values.interval !== undefined || (output.isTTY === true && !values.json)
  const authorization = authorizationOf(values.user, environment)
  return {
    endpoint: { url: readUrl(values.url), authorization },
    once: values.once || !endless,
    json: values.json,
    interval,
  }
}

/* The text is not repeated: a password may be in it. */
function readUrl(text: string): URL {
  const whole = /^https?:\/\//i.test(text) ? text : `http://${text}`
  const url = URL.canParse(whole) ? new URL(whole) : undefined
  if (url === undefined) throw new UsageError('expected a URL such as http://127.0.0.1:9400', HINT)
  if (url.username === '' && url.password === '') return url
  throw new UsageError('credentials do not belong in the URL, where others can see them', HINT)
}

function authorizationOf(user: string | undefined, environment: NodeJS.ProcessEnv): string | undefined {
  const { HOLDFAST_ADMIN_TOKEN: token, HOLDFAST_ADMIN_PASSWORD: password } = environment
  if (user === undefined) return token ? `Bearer ${token}` : undefined
  if (!password) throw new UsageError('--user needs the password in the variable HOLDFAST_ADMIN_PASSWORD', HINT)
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

function interrupted(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort())
  process.once('SIGTERM', () => controller.abort())
  return controller.signal
}

/** @returns whether the time has passed before the end. */
function passes(time: number, ended: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (ended.aborted) return resolve(false)
    const end = (passed: boolean) => () => {
      clearTimeout(timer)
      ended.removeEventListener('abort', abort)
      resolve(passed)
    }
    const abort = end(false)
    const timer = setTimeout(end(true), time)
    ended.addEventListener('abort', abort)
  })
}
