import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Asset, Assets } from '../admin/http/admin-handler.js'
import { here } from '../here.js'
import { pageMarkup } from './page-markup.js'
import { pageStyle } from './page-style.js'

/** Where the build puts the page's script; the same place from `src/` and from `dist/`. */
const scripts = new URL('../dist/dashboard/browser/', here)

/**
 * The files of the dashboard: the page, its style, its modules, and the chart library from its package. It loads nothing from anywhere
 * else. They are read when somebody asks for the first time.
 */
export const dashboardAssets: Assets = {
  get(path) {
    files ??= readFiles()
    return files.get(path)
  },
}

let files: ReadonlyMap<string, Asset> | undefined

function readFiles(): ReadonlyMap<string, Asset> {
  const modules = readdirSync(scripts).filter((name) => name.endsWith('.js'))
  const script = (file: URL | string): Asset => ({ contentType: 'text/javascript; charset=utf-8', body: read(file) })
  return new Map<string, Asset>([
    ['/', { contentType: 'text/html; charset=utf-8', body: pageMarkup }],
    ['/dashboard.css', { contentType: 'text/css; charset=utf-8', body: read(fromUplot('uPlot.min.css')) + pageStyle }],
    ['/dashboard/uplot.js', script(fromUplot('uPlot.esm.js'))],
    ...modules.map((name) => [`/dashboard/${name}`, script(new URL(name, scripts))] as const),
  ])
}

function fromUplot(name: string): string {
  return createRequire(here).resolve(`uplot/dist/${name}`)
}

function read(file: URL | string): string {
  return readFileSync(file, 'utf8')
}
