import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const tsc = join(root, 'node_modules/typescript/bin/tsc')

const expressTypes = [
  '@types/body-parser',
  '@types/connect',
  '@types/express',
  '@types/express-serve-static-core',
  '@types/http-errors',
  '@types/node',
  '@types/qs',
  '@types/range-parser',
  '@types/send',
  '@types/serve-static',
  'undici-types',
]

/** An application's project in a folder of its own, with our package installed as it is published. */
export class Project {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-types-'))

  /** @param packages what is installed beside us and the declarations of Node and Express. */
  constructor(packages: readonly string[] = []) {
    for (const name of [...expressTypes, ...packages]) this.install(name)
    const ours = join(this.folder, 'node_modules/holdfast')
    mkdirSync(ours)
    writeFileSync(join(ours, 'package.json'), readFileSync(join(root, 'package.json')))
    if (!existsSync(join(root, 'dist'))) throw new Error('the package is not built: npm run build')
    cpSync(join(root, 'dist'), join(ours, 'dist'), { recursive: true })
  }

  /**
   * Compiles one file of the application, and every declaration that it leads to.
   * @returns what the compiler has to say; empty: nothing is wrong.
   */
  check(text: string, compilerOptions: Record<string, unknown> = {}): string {
    const options = { module: 'NodeNext', target: 'ES2023', types: ['node'], strict: true, noEmit: true }
    const config = { compilerOptions: { ...options, skipLibCheck: false, ...compilerOptions }, files: ['app.ts'] }
    writeFileSync(join(this.folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(this.folder, 'tsconfig.json'), JSON.stringify(config))
    writeFileSync(join(this.folder, 'app.ts'), text)
    return run(['-p', this.folder])
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  private install(name: string): void {
    const place = join(this.folder, 'node_modules', name)
    mkdirSync(dirname(place), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), place)
  }
}

function run(args: string[]): string {
  const { stdout, stderr, error } = spawnSync(process.execPath, [tsc, '--pretty', 'false', ...args], {
    encoding: 'utf8',
    timeout: 200_000,
  })
  if (error !== undefined) throw error
  return stdout + stderr
}
