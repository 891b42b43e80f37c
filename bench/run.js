// Built-in modules only before the last lines: the packages may not be installed yet.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))

function installPackages() {
  console.error('bench: installing its packages (once)')
  const { status } = spawnSync('npm', ['ci'], { cwd: here, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) {
    console.error('bench: npm ci failed')
    process.exit(1)
  }
}

// These measure parts of Holdfast alone, and need no packages.
const parts = {
  transforms: './src/transforms.js',
  codecs: './src/codecs/main.js',
  statistics: './src/statistics-cost.js',
  'near-cache': './src/near-cache.js',
  protocols: './src/memcached-protocols.js',
  'hot-paths': './src/hot-paths.js',
  scale: './src/scale.js',
}
const part = parts[process.argv[2]]

// npm writes this file last, so that a broken installation is not taken for a good one.
if (part === undefined && !existsSync(`${here}node_modules/.package-lock.json`)) installPackages()
await import(part ?? './src/main.js')
