import { describe, expect, it } from 'vitest'
import { dashboardAssets } from '../../src/dashboard/dashboard-assets.js'

function text(path: string): string {
  const asset = dashboardAssets.get(path)
  if (asset === undefined) throw new Error(`there is no ${path}`)
  return String(asset.body)
}

/** Everything that a module imports, as paths. */
function importsOf(path: string): string[] {
  return [...text(path).matchAll(/(?:^|\n)import [^'"]*['"]([^'"]+)['"]/g)].map(([, target = '']) => {
    return new URL(target, `http://page${path}`).pathname
  })
}

describe('the files of the dashboard', () => {
  it('are complete: whatever a module imports is there', () => {
    const seen = new Set(['/dashboard/main.js'])
    for (const path of seen) for (const target of importsOf(path)) seen.add(target)
    expect(seen).toContain('/dashboard/uplot.js')
    expect(seen.size).toBeGreaterThan(15)
    for (const path of seen) expect(dashboardAssets.get(path)?.contentType, path).toMatch(/^text\/javascript/)
  })

  it('have nothing inline, and nothing from another place', () => {
    const page = text('/')
    expect(page).not.toMatch(/<script(?![^>]* src=)|<style|\sstyle=|\son\w+=/)
    const links = [...page.matchAll(/\s(?:src|href)="([^"]+)"/g)].map(([, link]) => link)
    expect(links).toEqual(['data:,', 'dashboard.css', 'dashboard/main.js', '#main'])
    expect(text('/dashboard.css')).not.toMatch(/@import|url\(/)
  })

  it('are no more than these', () => {
    expect(dashboardAssets.get('/package.json')).toBeUndefined()
    expect(dashboardAssets.get('/dashboard/../package.json')).toBeUndefined()
  })
})
