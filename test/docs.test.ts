import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { counterMeanings, histogramMeanings } from '../src/statistics/statistics.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'bench/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true }).map((name) => `docs/${name}`),
]
const markdown = pages.filter((page) => page.endsWith('.md'))
const read = (page: string): string => readFileSync(join(root, page), 'utf8')

describe('the documentation', () => {
  it('explains every counter and histogram in the words of the code', () => {
    const page = read('docs/events-and-statistics.md')
    for (const [name, meaning] of Object.entries({ ...counterMeanings, ...histogramMeanings })) {
      expect(page).toContain(`| \`${name}\` | ${meaning} |`)
    }
  })

  it('explains every event', () => {
    const page = read('docs/events-and-statistics.md')
    const events =
      read('src/manager/context/session-events.ts').match(/interface SessionEvents \{([\s\S]*?)\n\}/)?.[1] ?? ''
    const names = Array.from(events.matchAll(/^ {2}(\w+):/gm), ([, name]) => name)
    expect(names.length).toBeGreaterThan(9)
    for (const name of names) expect(page).toContain(`\`${name}\``)
  })

  it('has no links that lead nowhere', () => {
    const dead = markdown.flatMap((page) =>
      Array.from(
        read(page).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g),
        ([, target]) => `${page}: ${target}`,
      ).filter((link) => !existsSync(join(root, dirname(page), link.split(': ')[1] as string))),
    )
    expect(dead).toEqual([])
  })

  it('names only tests that exist', () => {
    const missing = markdown.flatMap((page) =>
      Array.from(read(page).matchAll(/`(test\/[\w./-]+\.ts)`/g), ([, file]) => file as string).filter(
        (file) => !existsSync(join(root, file)),
      ),
    )
    expect(missing).toEqual([])
  })

  it('names only commands that the command line has', () => {
    const known = Array.from(read('src/cli/main.ts').matchAll(/^ {4}case '([a-z][a-z-]*)':$/gm), ([, name]) => name)
    expect(known.length).toBeGreaterThan(5)
    const unknown = markdown.flatMap((page) =>
      Array.from(
        read(page).matchAll(/(?:^|npx |`)holdfast ([a-z][a-z-]*)(?= [<[a-z0-9-]|`|$)/gm),
        ([, name]) => `${page}: ${name}`,
      ).filter((text) => !known.includes(text.split(': ')[1])),
    )
    expect(unknown).toEqual([])
  })
})
