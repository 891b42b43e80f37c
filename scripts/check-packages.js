// Installs the packed tarball as users do, and tries it with their tools: plain Node, Jest, TypeScript, esbuild, Rollup.
// npm run test:packages [-- folder]: works in a new folder for temporary files, or in that one.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const given = process.argv[2]
const folder = given ?? mkdtempSync(join(tmpdir(), 'holdfast-packages-'))
const tools = [
  'express@5',
  'jest@30',
  'typescript@5.9',
  '@types/node@20',
  '@types/express@5',
  'esbuild@0.25',
  'rollup@4',
]
const rollupPlugins = ['@rollup/plugin-node-resolve@16', '@rollup/plugin-commonjs@29', '@rollup/plugin-json@6']
const timeout = 300_000

function run(program, args, cwd = folder) {
  return execFileSync(program, args, { cwd, encoding: 'utf8', timeout, stdio: ['ignore', 'pipe', 'pipe'] })
}

const failures = []

function check(what, work, expected) {
  try {
    const output = work()
    if (expected !== undefined && !output.includes(expected))
      throw new Error(`no "${expected}" in its output:\n${output}`)
    console.log(`ok    ${what}`)
  } catch (error) {
    failures.push(what)
    console.log(`FAIL  ${what}\n${error.stdout ?? ''}${error.stderr ?? ''}${error.message}`)
  }
}

mkdirSync(folder, { recursive: true })
run('npm', ['pack', '--pack-destination', folder], root)
const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
cpSync(join(root, 'scripts/packages'), folder, { recursive: true })
run('npm', ['install', '--no-audit', '--no-fund', `./${tarball}`, ...tools, ...rollupPlugins])

const works = 'works, node up'
check('the tarball holds no source maps', () => {
  const names = run('tar', ['-tzf', tarball]).split('\n')
  const maps = names.filter((name) => name.endsWith('.map'))
  if (maps.length > 0) throw new Error(maps.join('\n'))
  return 'none'
})
check('nothing that is installed runs a script of its own', () => {
  const lock = run('node', ['-p', "JSON.stringify(require('./package-lock.json').packages)"])
  const tree = new Set(['node_modules/holdfast', ...own(JSON.parse(lock), 'node_modules/holdfast')])
  const scripts = [...tree].filter((name) => JSON.parse(lock)[name]?.hasInstallScript)
  if (scripts.length > 0) throw new Error(scripts.join('\n'))
  return 'none'
})
check('Node, import', () => run('node', ['app.mjs']), works)
check('Node, require', () => run('node', ['app.cjs']), works)
check('Jest, CommonJS', () => run('npx', ['jest', '--silent']))
for (const [module, resolution] of [
  ['commonjs', 'node10'],
  ['node16', 'node16'],
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
]) {
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--target',
    'es2022',
    '--esModuleInterop',
    '--types',
    'node',
  ]
  const args = ['tsc', ...options, '--module', module, '--moduleResolution', resolution, 'types.ts']
  check(`TypeScript, module ${module}, moduleResolution ${resolution}`, () => run('npx', args))
}
const away = mkdtempSync(join(tmpdir(), 'holdfast-bundle-'))
const banner = "import{createRequire as cr}from'node:module';const require=cr(import.meta.url);"
for (const format of ['cjs', 'esm']) {
  const name = `bundle.${format === 'cjs' ? 'cjs' : 'mjs'}`
  for (const tool of ['esbuild', 'rollup']) {
    const out = join(away, `${tool}-${name}`)
    check(
      `${tool}, ${format}, away from node_modules, with admin`,
      () => {
        if (tool === 'rollup')
          run('npx', ['rollup', '-c', 'rollup.config.mjs', '-f', format === 'esm' ? 'es' : 'cjs', '-o', out])
        else {
          const more = format === 'esm' ? [`--banner:js=${banner}`] : []
          run('npx', [
            'esbuild',
            'app.mjs',
            '--bundle',
            '--platform=node',
            `--format=${format}`,
            `--outfile=${out}`,
            ...more,
          ])
        }
        return run('node', [out], away)
      },
      works,
    )
  }
}
rmSync(away, { recursive: true })
if (given === undefined && failures.length === 0) rmSync(folder, { recursive: true })
if (failures.length > 0) {
  console.log(`${failures.length} of these failed, see ${folder}`)
  process.exit(1)
}

/** Packages that come with one. */
function own(packages, name, seen = new Set()) {
  for (const other of Object.keys(packages[name]?.dependencies ?? {})) {
    const nested = `${name}/node_modules/${other}`
    const place = nested in packages ? nested : `node_modules/${other}`
    if (!seen.has(place)) own(packages, place, seen.add(place))
  }
  return seen
}
