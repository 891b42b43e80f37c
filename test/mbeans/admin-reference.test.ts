import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { withAdminReference } from '../../src/mbeans/admin-reference.js'
import { counterName } from '../../src/mbeans/metrics/families.js'
import { counterMeanings } from '../../src/statistics/statistics.js'

const page = readFileSync(new URL('../../docs/admin.md', import.meta.url), 'utf8')

describe('docs/admin.md', () => {
  it('is what npm run docs writes', () => {
    expect(withAdminReference(page)).toBe(page)
  })

  it('has every MBean, attribute, operation and metric', () => {
    for (const type of ['SessionManager', 'Statistics', 'WriteBehind', 'Locking', 'LocalSessions', 'StorageNode,id=…'])
      expect(page).toContain(`### holdfast:type=${type}\n`)
    for (const row of ['| `Mode` | string | yes |', '| `Sessions` | long |  |', '| `drain()` | void | operator |'])
      expect(page).toContain(row)
    for (const name of Object.keys(counterMeanings)) expect(page).toContain(`| \`${counterName(name)}\` | counter |`)
    expect(page).toContain('| `holdfast_storage_node_up` | gauge | node |')
  })

  it('has an example that can be read', () => {
    const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(page) ?? []
    expect(parse(yaml as string)).toEqual({ admin: { listen: '127.0.0.1:9400' } })
  })

  it('refuses a page without a place for the tables', () => {
    expect(() => withAdminReference('# Nothing')).toThrow('no place')
  })
})
