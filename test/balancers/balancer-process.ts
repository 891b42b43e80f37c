import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Opened, openAll } from '../../src/testing/opened.js'
import { apacheProgram, haproxyProgram, nginxProgram, type ServerProgram } from '../../src/testing/server-binaries.js'
import { startServer, type TestServer } from '../../src/testing/start-server.js'
import { holdfast } from '../cli/built-command.js'
import { Visitor } from '../support/visitor.js'

export const balancerKinds = ['haproxy', 'nginx', 'apache'] as const
export type BalancerKind = (typeof balancerKinds)[number]

export interface TestBalancer extends TestServer {
  /** What the command printed. */
  readonly configuration: string
}

interface Way {
  program: ServerProgram
  /** Writes what the program needs beside what is printed; gives its arguments. */
  prepare(folder: string, printed: string, port: number): Promise<string[]>
}

const apacheModules = [
  'mpm_event',
  'authz_core',
  'proxy',
  'proxy_http',
  'proxy_balancer',
  'lbmethod_bybusyness',
  'slotmem_shm',
  'headers',
  'proxy_hcheck',
  'ssl',
  'socache_shmcb',
]

const ways: Record<BalancerKind, Way> = {
  haproxy: {
    program: haproxyProgram,
    prepare: async (_folder, printed) => ['-db', '-f', printed],
  },
  nginx: {
    program: nginxProgram,
    async prepare(folder, printed) {
      const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      const paths = kinds.map((kind) => `${kind}_temp_path ${join(folder, kind)};`).join(' ')
      const file = join(folder, 'nginx.conf')
      const user = process.getuid?.() === 0 ? 'user root;' : ''
      await writeFile(
        file,
        `daemon off; ${user} worker_processes 2; error_log stderr warn; pid ${join(folder, 'pid')};
events { }
http { access_log off; ${paths} include ${printed}; }
`,
      )
      return ['-c', file, '-e', 'stderr']
    },
  },
  apache: {
    program: apacheProgram,
    async prepare(folder, printed, port) {
      const modules = ['/usr/lib/apache2/modules', '/usr/lib64/httpd/modules'].find(existsSync)
      const file = join(folder, 'apache.conf')
      const lines = apacheModules.map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`)
      await writeFile(
        file,
        `${lines.join('\n')}
ServerName shop.example
Listen 127.0.0.1:${port}
DefaultRuntimeDir ${folder}
PidFile ${join(folder, 'pid')}
ErrorLog ${join(folder, 'error.log')}
Include ${printed}
`,
      )
      return ['-D', 'FOREGROUND', '-f', file]
    },
  },
}

/** Starts a real balancer with what `holdfast balancer` prints for these arguments, and waits until a server answers through it. */
export function startBalancer(kind: BalancerKind, args: readonly string[], tls = false): Promise<TestBalancer> {
  return openAll((opened) => start(kind, args, tls, opened))
}

async function start(kind: BalancerKind, args: readonly string[], tls: boolean, opened: Opened): Promise<TestBalancer> {
  const folder = await opened.folder()
  const { program, prepare } = ways[kind]
  let configuration = ''
  const server = await startServer({
    program,
    async args(host, port) {
      configuration = await print([kind, ...args, '--listen', `${host}:${port}`])
      const file = join(folder, 'printed.conf')
      await writeFile(file, configuration)
      return prepare(folder, file, port)
    },
    answers: async ({ host, port }) => {
      const answer = await new Visitor().get(`${tls ? 'https' : 'http'}://${host}:${port}/`)
      return answer.status === 200
    },
  })
  /* In order, so that its workers end with it. */
  await opened.add(Promise.resolve({ close: () => server.kill('SIGTERM') }))
  return Object.assign(server, { configuration, close: () => opened.close() })
}

/** What `holdfast balancer` prints. */
export async function print(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await holdfast(['balancer', ...args]).ended
  if (code !== 0) throw new Error(stderr)
  return stdout
}
