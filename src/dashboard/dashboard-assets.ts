import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Asset } from '../admin/http/admin-handler.js'
import { pageMarkup } from './page-markup.js'
import { pageStyle } from './page-style.js'

/** Where the build puts the page's script; the same place from `src/` and from `dist/`. */
const scripts = new URL('../../dist/dashboard/browser/', import.meta.url)
const javascript = 'text/javascript; charset=utf-8'

/**
 * The files of the dashboard by path, for the administration to serve: the page, its style, its modules, and the chart library
 * from its package. It loads nothing from anywhere else.
 * @throws when the package is not complete.
 */
export function dashboardAssets(): ReadonlyMap<string, Asset> {
  const modules = readdirSync(scripts).filter((name) => name.endsWith('.js'))
  return new Map<string, Asset>([
    ['/', { contentType: 'text/html; charset=utf-8', body: pageMarkup }],
    ['/dashboard.css', { contentType: 'text/css; charset=utf-8', body: fromUplot('uPlot.min.css') + pageStyle }],
    ['/dashboard/uplot.js', { contentType: javascript, body: fromUplot('uPlot.esm.js') }],
    ...modules.map(
      (name) => [`/dashboard/${name}`, { contentType: javascript, body: read(new URL(name, scripts)) }] as const,
    ),
  ])
}

function fromUplot(name: string): string {
  return read(createRequire(import.meta.url).resolve(`uplot/dist/${name}`))
}

function read(file: URL | string): string {
  return readFileSync(file, 'utf8')
}
