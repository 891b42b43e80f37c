import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { configurationReference } from '../../src/config/configuration-reference.js'
import { describeSettings } from '../../src/config/describe-settings.js'
import { expandEnvironment } from '../../src/config/environment.js'
import { keyNotes } from '../../src/config/key.js'
import { type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import { parseYaml } from '../../src/config/parse-text.js'
import { optionsSchema } from '../../src/config/schema.js'

const page = new URL('../../docs/configuration.md', import.meta.url)
const secret = 'a-secret-of-the-tests-0123456789'

function blocks(language: string): string[] {
  return [...configurationReference().matchAll(/```(\w+)\n([\s\S]*?)```/g)].flatMap((m) =>
    m[1] === language ? [m[2] as string] : [],
  )
}

describe('docs/configuration.md', () => {
  it('is what the schema says (if not: npm run docs)', () => {
    expect(existsSync(page)).toBe(true)
    expect(readFileSync(page, 'utf8')).toBe(configurationReference())
  })

  it('has a row for every key, and for nothing that is printed but not documented', () => {
    const rows = new Set([...configurationReference().matchAll(/^\| `([\w.]+)` \|/gm)].map((match) => match[1]))
    const { shape } = optionsSchema
    const nested = [
      ...Object.keys(shape.cookie.unwrap().shape).map((k) => `cookie.${k}`),
      ...Object.keys(shape.backup.unwrap().shape).map((k) => `backup.${k}`),
      ...Object.keys(shape.locking.unwrap().shape).map((k) => `locking.${k}`),
      ...Object.keys(shape.compression.unwrap().shape).map((k) => `compression.${k}`),
      ...Object.keys(shape.encryption.unwrap().shape).map((k) => `encryption.${k}`),
      ...Object.keys(shape.wait.unwrap().shape).map((k) => `wait.${k}`),
      ...Object.keys(shape.nearCache.unwrap().shape).map((k) => `nearCache.${k}`),
      ...Object.keys(shape.newcomers.unwrap().shape).map((k) => `newcomers.${k}`),
      ...Object.keys(shape.adopt.unwrap().shape).map((k) => `adopt.${k}`),
      ...Object.keys(shape.activity.unwrap().shape).map((k) => `activity.${k}`),
      ...Object.keys(shape.admin.unwrap().shape).map((k) => `admin.${k}`),
    ]
    expect([...rows].sort()).toEqual([...Object.keys(shape), ...nested].sort())
    for (const key of Object.keys(describeSettings(parseSettings({ secret })))) expect(rows).toContain(key)
  })

  it('has no cell that breaks its table', () => {
    const rows = configurationReference()
      .split('\n')
      .filter((line) => /^\| `[\w.]+` \|/.test(line))
    for (const row of rows) expect(row.split('|')).toHaveLength(7)
  })

  it.each(Object.entries(optionsSchema.shape))('tells the default of %s that the schema has', (key, schema) => {
    const told = /^`([^`]+)`$/.exec(keyNotes.get(schema)?.default ?? '')?.[1]
    if (told === undefined) return
    expect(schema.safeParse(told).data).toEqual(schema.safeParse(undefined).data)
    expect(key).not.toBe('')
  })

  it('has YAML examples that can be used', () => {
    const environment = {
      ROUTE: 'app1',
      SESSION_SECRET: secret,
      PREVIOUS_SESSION_SECRET: `${secret}-before`,
      MEMCACHED_PASSWORD: 'x',
      ADMIN_PASSWORD: 'a-password-of-the-tests',
      PROMETHEUS_TOKEN_SHA256: '0'.repeat(64),
    }
    expect(blocks('yaml').length).toBeGreaterThan(3)
    for (const text of blocks('yaml')) {
      const { value, problems } = expandEnvironment(parseYaml(text, 'the example'), environment)
      expect(problems).toEqual([])
      expect(() => parseSettings({ ...{ secret }, ...(value as HoldfastOptions) })).not.toThrow()
    }
  })

  it('shows the same configuration as YAML and as an object', () => {
    const [asYaml, asObject] = [blocks('yaml').at(-1) as string, blocks('js').at(-1) as string]
    const environment = { ROUTE: 'app1', SESSION_SECRET: secret, PREVIOUS_SESSION_SECRET: `${secret}-before` }
    const fromYaml = expandEnvironment(parseYaml(asYaml, 'the example'), environment).value as HoldfastOptions
    const call = asObject.replace(/^import.*$/m, '').replace('const sessions =', 'return')
    const fromObject = new Function('createSessionManager', 'process', call)((o: unknown) => o, {
      env: environment,
    }) as HoldfastOptions
    expect(parseSettings(fromObject)).toEqual(parseSettings(fromYaml))
  })
})
