import http from 'node:http'
import { AuditLog } from '../../src/admin/access/audit-log.js'
import { type AdminServer, startAdminServer } from '../../src/admin/admin-server.js'
import { type AdminLimits, type AdminSettings, adminSettings } from '../../src/admin/admin-settings.js'
import type { AdminHandlerOptions } from '../../src/admin/http/admin-handler.js'
import { attribute, defineMBean, type MBean, operation } from '../../src/admin/mbean/mbean.js'
import { MBeanRegistry } from '../../src/admin/mbean/mbean-registry.js'
import {
  boolean,
  choice,
  date,
  double,
  illegalArgument,
  int,
  long,
  map,
  nothing,
  string,
  stringList,
} from '../../src/admin/mbean/value-type.js'

/** What the sample MBean stands for. */
export class Sample {
  mode = 'async'
  limit = 10
  secret = 'before'
  calls: unknown[] = []
}

export function sampleBean(sample: Sample): MBean {
  return defineMBean({
    name: 'holdfast:type=Sample,name=main',
    description: 'A sample',
    attributes: {
      Active: attribute({ type: int(), description: 'Sessions', read: () => 3 }),
      Big: attribute({ type: long(), description: 'Bytes', read: async () => 2 ** 40 }),
      Share: attribute({ type: double(), description: 'Not a number', read: () => Number.NaN }),
      Started: attribute({ type: date(), description: 'Start', read: () => new Date(0) }),
      Memory: attribute({
        type: map(),
        description: 'Memory by area',
        read: () => ({ heap: { used: 5, max: 9 }, other: { used: 1 }, list: [{ used: 7 }, 'x'] }),
      }),
      Mode: attribute({
        type: choice('async', 'sync'),
        description: 'Mode',
        read: () => sample.mode as 'async',
        write: (mode) => {
          sample.mode = mode
        },
      }),
      Limit: attribute({
        type: int({ min: 0, max: 100 }),
        description: 'Limit',
        read: () => sample.limit,
        write: (limit) => {
          if (limit === 13) throw illegalArgument('13 brings bad luck')
          sample.limit = limit
        },
      }),
      Key: attribute({
        type: string(),
        description: 'Key',
        secret: true,
        write: (key) => {
          sample.secret = key
        },
      }),
      Values: attribute({ type: map(), description: 'Values', right: 'values', read: () => ({ cart: 'tea' }) }),
      Names: attribute({ type: stringList(), description: 'Names', read: () => ['a', 'b'] }),
    },
    operations: {
      reset: operation({
        description: 'Resets',
        returns: nothing(),
        invoke: () => {
          sample.calls.push('reset')
        },
      }),
      add: operation({
        description: 'Adds',
        args: [
          { name: 'a', type: int(), description: 'One' },
          { name: 'b', type: int({ max: 10 }), description: 'Other' },
        ],
        returns: int(),
        right: 'viewer',
        invoke: (a, b) => a + b,
      }),
      login: operation({
        description: 'Takes a secret',
        args: [{ name: 'password', type: string(), description: 'Secret', secret: true }],
        returns: boolean(),
        invoke: (password) => password === 'right',
      }),
      fail: operation({
        description: 'Fails',
        returns: nothing(),
        invoke: () => {
          throw new Error('broken')
        },
      }),
      hang: operation({ description: 'Hangs', returns: nothing(), invoke: () => new Promise<void>(() => {}) }),
    },
  })
}

export function nodeBean(id: string): MBean {
  return defineMBean({
    name: `holdfast:type=StorageNode,id=${id}`,
    description: `Storage node ${id}`,
    attributes: {
      State: attribute({ type: string(), description: 'State', read: () => (id === 'n1' ? 'up' : 'down') }),
      Latency: attribute({
        type: double(),
        description: 'Latency',
        read: () => {
          if (id === 'n1') return 1.5
          throw new Error('no latency')
        },
      }),
    },
    operations: {
      probe: operation({
        description: 'Probes',
        returns: string(),
        right: 'viewer',
        invoke: async () => `probed ${id}`,
      }),
    },
  })
}

export interface SampleServer extends AdminServer {
  registry: MBeanRegistry
  audit: AuditLog
  sample: Sample
  log: string[]
  base: string
}

type SampleSettings = Partial<Omit<AdminSettings, 'limits'>> & { limits?: Partial<AdminLimits> }

export function sampleOptions() {
  const log: string[] = []
  const add = (message: string): void => void log.push(message)
  const logger = { debug: add, info: add, warn: add, error: add }
  const registry = new MBeanRegistry()
  const sample = new Sample()
  registry.register(sampleBean(sample))
  registry.register(nodeBean('n1'))
  registry.register(nodeBean('n2'))
  const audit = new AuditLog({ logger })
  return { registry, logger, log, sample, audit, version: '1.2.3' }
}

/** A stand-alone server with sample MBeans on a free port of loopback; the rate is no matter unless a test says so. */
export async function startSample(
  settings: SampleSettings = {},
  options: Partial<AdminHandlerOptions> = {},
): Promise<SampleServer> {
  const made = sampleOptions()
  const whole = adminSettings({
    listen: { host: '127.0.0.1', port: 0 },
    readOnly: false,
    ...settings,
    limits: { rate: 100_000, ...settings.limits },
  })
  const server = await startAdminServer(whole, { ...made, ...options })
  return { ...server, ...made, base: `${server.url}/jolokia` }
}

export interface RawAnswer {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  json: any
}

/** A request with exactly these headers: unlike fetch, it sets Host, Origin and Sec-Fetch-Site as told. */
export function request(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: unknown; path?: string } = {},
): Promise<RawAnswer> {
  const { method = 'GET', headers = {}, path } = options
  const body =
    typeof options.body === 'string' || options.body === undefined ? options.body : JSON.stringify(options.body)
  return new Promise((resolve, reject) => {
    const req = http.request(url, { method, headers, agent: false, ...(path !== undefined && { path }) }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = res.headers['content-type']?.startsWith('application/json') === true
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          body: text,
          json: isJson ? JSON.parse(text) : undefined,
        })
      })
    })
    req.on('error', reject)
    req.end(body)
  })
}

export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<RawAnswer> {
  return request(url, { method: 'POST', body, headers: { 'Content-Type': 'application/json', ...headers } })
}
