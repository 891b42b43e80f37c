import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const src = fileURLToPath(new URL('../src', import.meta.url))

/*
 * Who may import whom: each part only what stands below it, so that data flows one way. `type:` allows types alone.
 * request → middleware (http) → manager → session, placement → record → node
 */
const base = ['errors', 'clock', 'random', 'logger', 'here']
const mayImport: Record<string, string[]> = {
  errors: [],
  clock: [],
  random: [],
  logger: [],
  here: [],
  'session-id': ['errors', 'random'],
  record: ['errors', 'here'],
  'memcached-wire': ['errors'],
  node: ['errors', 'here', 'clock', 'memcached-wire'],
  connections: [],
  'memcached-server': ['errors', 'clock', 'connections', 'memcached-wire'],
  lock: ['errors', 'clock', 'random', 'type:node'],
  statistics: [],
  admin: [...base, 'connections'],
  session: ['errors', 'record'],
  placement: [...base, 'node', 'statistics'],
  local: ['clock', 'session-id', 'session', 'record', 'placement', 'type:node'],
  'write-behind': [...base, 'local'],
  config: [...base, 'admin', 'record', 'node', 'type:session', 'type:lock'],
  manager: [
    ...base,
    'session-id',
    'record',
    'node',
    'statistics',
    'session',
    'placement',
    'local',
    'write-behind',
    'lock',
    'type:config',
  ],
  http: ['errors', 'session-id', 'session', 'local', 'manager', 'type:lock'],
  store: ['errors', 'session-id', 'record', 'session', 'local', 'manager'],
  testing: [...base, 'node', 'record', 'memcached-wire', 'memcached-server'],
  dashboard: ['here', 'type:admin'],
  mbeans: [
    'dashboard',
    ...base,
    'admin',
    'config',
    'node',
    'placement',
    'statistics',
    'local',
    'record',
    'session',
    'session-id',
    'write-behind',
    'lock',
    'manager',
  ],
  'create-session-manager': [
    ...base,
    'admin',
    'config',
    'http',
    'manager',
    'mbeans',
    'memcached-server',
    'node',
    'placement',
    'session',
    'session-id',
    'statistics',
    'store',
  ],
  index: [
    'errors',
    'logger',
    'admin',
    'config',
    'create-session-manager',
    'http',
    'manager',
    'record',
    'session',
    'store',
  ],
  cli: [
    ...base,
    'admin',
    'config',
    'create-session-manager',
    'memcached-server',
    'node',
    'testing',
    'index',
    'statistics',
    'manager',
    'placement',
    'session',
  ],
}

/** Where everything that waits, and everything random, has to go through `Clock` and `RandomSource`, so that it can be simulated. */
const simulated = ['manager', 'local', 'placement', 'write-behind', 'lock', 'session-id']
const ambient =
  /(?<![\w.])(?:set(?:Timeout|Interval|Immediate)|clear(?:Timeout|Interval)|queueMicrotask|random(?:Bytes|UUID|Int))\(|Math\.random|(?:performance|Date)\.now/

interface Import {
  from: string
  to: string
  typeOnly: boolean
}

/** What each room of the manager may import. */
const rooms: Record<string, readonly string[]> = {
  context: [],
  content: ['context'],
  stored: ['context', 'content'],
  sticky: ['context', 'content', 'stored'],
  'non-sticky': ['context', 'content', 'stored'],
}

describe('the architecture', () => {
  const imports = sourceFiles(src).flatMap(importsOf)

  it('lets each part import only what stands below it', () => {
    const wrong = imports.filter(({ from, to, typeOnly }) => {
      const [part, other] = [partOf(from), partOf(to)]
      const allowed = mayImport[part] ?? []
      return part !== other && !allowed.includes(other) && !(typeOnly && allowed.includes(`type:${other}`))
    })
    expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
  })

  it('lets each room of the manager import only what stands below it', () => {
    const roomOf = (file: string) => /^manager\/([\w-]+)\//.exec(file)?.[1]
    const wrong = imports.filter(({ from, to, typeOnly }) => {
      const [room, other] = [roomOf(from), roomOf(to)]
      if (room === undefined || partOf(to) !== 'manager' || room === other) return false
      /* The contract of both modes. */
      if (to === 'manager/session-mode.ts') return !typeOnly || !(room === 'sticky' || room === 'non-sticky')
      return other === undefined || !(rooms[room] ?? []).includes(other)
    })
    expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
  })

  it('reads the imports', () => {
    expect(imports.length).toBeGreaterThan(300)
  })

  it('knows every part', () => {
    const parts = new Set(sourceFiles(src).map((file) => partOf(relative(src, file))))
    expect([...parts].filter((part) => !(part in mayImport))).toEqual([])
  })

  it('takes time and chance from nowhere but their sources', () => {
    const files = sourceFiles(src).filter((file) => simulated.includes(partOf(relative(src, file))))
    const lines = files.flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line, i) => (ambient.test(line) ? [`${relative(src, file)}:${i + 1}: ${line.trim()}`] : [])),
    )
    expect(lines).toEqual([])
    expect(files.length).toBeGreaterThan(30)
  })

  it('encodes records behind one door only', () => {
    const users = sourceFiles(src).filter((file) => /\bencodeRecord\(/.test(readFileSync(file, 'utf8')))
    expect(users.map((file) => relative(src, file)).sort()).toEqual([
      'manager/stored/record-store.ts',
      'record/record-format.ts',
    ])
  })

  it('removes copies of sessions behind the same door, and where a session has ended', () => {
    const users = sourceFiles(join(src, 'manager')).filter((file) =>
      /\bnode\??\.delete\(/.test(readFileSync(file, 'utf8')),
    )
    expect(users.map((file) => relative(src, file)).sort()).toEqual([
      'manager/stored/record-store.ts',
      'manager/stored/session-ending.ts',
    ])
  })

  it('lets a session change by its own methods only', () => {
    const [, state = ''] = readFileSync(join(src, 'local/session-state.ts'), 'utf8').split(
      'export class SessionState {',
    )
    const fields = Array.from(
      state.matchAll(/^ {2}(?!private |static |readonly |get |constructor)(\w+)(?::| =)/gm),
      ([, name]) => name,
    )
    /* The wheel's own mark on what is in it. */
    expect(fields).toEqual(['wheelBucket'])
    expect(state).not.toMatch(/^ {2}set /m)
  })

  it('has no import circles between files', () => {
    expect(circles(imports.filter((edge) => !edge.typeOnly))).toEqual([])
  })

  it('has no circles between parts, types included', () => {
    const edges = imports.map(({ from, to }) => ({ from: partOf(from), to: partOf(to), typeOnly: false }))
    expect(circles(edges.filter(({ from, to }) => from !== to))).toEqual([])
  })
})

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return sourceFiles(path)
    return path.endsWith('.ts') ? [path] : []
  })
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const statements = text.matchAll(
    /(?:^|\n)\s*(import|export)\s+(type\s)?[^'"]*?from\s+['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]\s*\)/g,
  )
  return Array.from(statements, ([, , type, statically, dynamically]) => {
    const target = normalize(join(dirname(file), (statically ?? dynamically) as string)).replace(/\.js$/, '.ts')
    return { from: relative(src, file), to: relative(src, target), typeOnly: type !== undefined }
  })
}

/** The folder under src/, or the name of a file that stands there. */
function partOf(file: string): string {
  return file.includes('/') ? (file.split('/')[0] as string) : file.replace(/\.ts$/, '')
}

function circles(edges: Import[]): string[] {
  const next = new Map<string, Set<string>>()
  for (const { from, to } of edges) next.set(from, (next.get(from) ?? new Set()).add(to))
  const found: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: string[]): void => {
    const at = path.indexOf(file)
    if (at !== -1) {
      found.push([...path.slice(at), file].join(' → '))
      return
    }
    if (done.has(file)) return
    for (const other of next.get(file) ?? []) visit(other, [...path, file])
    done.add(file)
  }
  for (const file of next.keys()) visit(file, [])
  return found
}
