// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment are what is tested
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { loadOptions } from '../../src/config/load-file.js'
import { parseSettings } from '../../src/config/parse-settings.js'
import { parseJson, parseYaml } from '../../src/config/parse-text.js'
import { ConfigError } from '../../src/errors.js'

const secret = 'a-secret-of-the-tests-0123456789'
const yaml = `secret: ${secret}\nroute: app1\nnodes:\n  - { id: n1, url: memcached://h }\n`

let folder: string

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-config-')))
  vi.spyOn(process, 'cwd').mockReturnValue(folder)
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function failure(run: () => unknown): ConfigError {
  try {
    run()
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('each kind of file', () => {
  const object = `{ secret: '${secret}', route: 'app1', nodes: [{ id: 'n1', url: 'memcached://h' }] }`
  const json = JSON.stringify({ secret, route: 'app1', nodes: [{ id: 'n1', url: 'memcached://h' }] })
  const typed = `interface O { secret: string }\nconst config: O & Record<string, unknown> = ${object}\nexport default config\n`

  it.each([
    ['a.yaml', yaml],
    ['a.yml', yaml],
    ['A.YAML', yaml],
    ['a.json', json],
    ['bom.json', `\ufeff${json}`],
    ['bom.yaml', `\ufeff${yaml}`],
    ['a.js', `export default ${object}`],
    ['a.mjs', `export default ${object}`],
    ['named.mjs', `export const config = ${object}`],
    ['a.cjs', `module.exports = ${object}`],
    ['named.cjs', `exports.config = ${object}`],
    ['a.ts', typed],
    ['a.mts', typed],
    ['a.cts', `const config: object = ${object}\nmodule.exports = config\n`],
  ])('%s', (name, text) => {
    const path = file(name, text)
    const { options, source } = loadOptions(path)
    expect(source).toBe(path)
    const settings = parseSettings(options, source)
    expect(settings).toMatchObject({ secret: [secret], route: 'app1' })
    expect(settings.nodes[0]?.label).toBe('memcached://h:11211')
  })

  it('a module may import others, and gives functions and regular expressions', () => {
    file('ids.ts', `let n: number = 0\nexport const genid = (): string => 'id' + ++n\n`)
    const path = file(
      'a.ts',
      `import { genid } from './ids.js'\nexport default { secret: '${secret}', genid, ignore: /x/i }`,
    )
    const { options } = loadOptions(path)
    expect(options.genid?.({} as never)).toBe('id1')
    expect(options.ignore).toEqual(/x/i)
  })

  it('a module that was changed is read anew', () => {
    const path = file('a.mjs', `export default { secret: '${secret}', route: 'one' }`)
    expect(loadOptions(path).options.route).toBe('one')
    file('a.mjs', `export default { secret: '${secret}', route: 'two' }`)
    expect(loadOptions(path).options.route).toBe('two')
  })

  it.each([
    ['nothing.mjs', 'export const other = 1', 'a default export'],
    ['throws.mjs', 'throw new Error("no database")', 'no database'],
    ['awaits.mjs', 'export default await Promise.resolve({})', "a top-level await can't be used"],
    ['missing.mjs', 'import "./not-there.js"\nexport default {}', 'not-there'],
  ])('%s is refused with the reason', (name, text, reason) => {
    expect(failure(() => loadOptions(file(name, text))).message).toContain(reason)
  })
})

describe('the file that is found', () => {
  it.each(['yaml', 'yml'])('is holdfast.config.%s in the working directory', (kind) => {
    file(`holdfast.config.${kind}`, yaml)
    expect(loadOptions()).toMatchObject({ source: `holdfast.config.${kind}`, options: { route: 'app1' } })
  })

  it('is no guess when there are several', () => {
    file('holdfast.config.yaml', yaml)
    file('holdfast.config.mts', '')
    const error = failure(() => loadOptions())
    expect(error.message).toContain('found holdfast.config.yaml, holdfast.config.mts')
  })

  it('when there is none, the error says what to do', () => {
    mkdirSync(join(folder, 'holdfast.config.yaml'))
    expect(failure(() => loadOptions()).message).toMatch(
      /holdfast\.config\.\{yaml,.*\} in the working directory.*options object/,
    )
  })
})

describe('a file that can not be read', () => {
  it.each([
    ['missing.yaml', undefined, 'ENOENT'],
    ['config.toml', 'a = 1', 'a name that ends in .yaml'],
    ['large.yaml', `a: ${'x'.repeat(1_000_000)}`, 'at most 1000000 bytes'],
  ])('%s is refused with the reason', (name, text, reason) => {
    const path = text === undefined ? join(folder, name) : file(name, text)
    const error = failure(() => loadOptions(path))
    expect(error.message).toContain(path)
    expect(error.message).toContain(reason)
  })

  it('a folder is refused', () => {
    mkdirSync(join(folder, 'a.yaml'))
    expect(failure(() => loadOptions(join(folder, 'a.yaml'))).message).toContain('a regular file')
  })
})

describe('syntax errors', () => {
  it.each([
    ['a.yaml', `route: a\nsecret: "${secret}\n`, 'line 3'],
    ['a.yaml', `route: a\n\tsecret: ${secret}\n`, 'line 2, column 1'],
    ['a.yaml', `secret: ${secret}\nsecret: ${secret}\n`, 'line 2, column 1: duplicate key'],
    ['a.yaml', `secret: !!password ${secret}\n`, 'line 1, column 9: tag resolve failed'],
    ['a.yaml', `secret: *${secret}\n`, 'an alias without anchor'],
    ['a.yaml', `secret: ${secret}\n---\nroute: a\n`, 'multiple docs'],
    ['a.json', `{\n  "secret": "${secret}",\n}`, 'line 3, column 1'],
    ['a.json', `{"secret": ${secret}}`, 'a syntax error'],
    ['a.json', '', 'a syntax error'],
    ['a.mjs', `export default {\n  secret: '${secret}' route: 1 }`, 'line 2'],
    ['a.ts', `const secret = '${secret}'; export default { secret, `, 'a syntax error in line 1'],
  ])('%s tells the place and does not quote the text: %j', (name, text, place) => {
    const error = failure(() => loadOptions(file(name, text)))
    expect(error.message).toContain(place)
    expect(`${error.message}${inspect(error, { depth: 9 })}`).not.toContain(secret)
  })

  it('odd YAML prints no warning that quotes the text', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
    loadOptions(file('a.yaml', `? { ${secret}: 1 }\n: 2\n`))
    expect(warn).not.toHaveBeenCalled()
  })

  it('many aliases are refused before they fill the memory', () => {
    const lines = ['a: &a [x,x,x,x,x,x,x,x,x]']
    for (let i = 1; i < 10; i++) {
      const [name, before] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)]
      lines.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(',')}]`)
    }
    expect(failure(() => loadOptions(file('a.yaml', lines.join('\n')))).message).toContain('too many aliases')
  })

  it('no text makes the parsers throw anything but a ConfigError', () => {
    const fragments = fc.array(
      fc.oneof(
        fc.constantFrom(': ', '\n', '- ', '[', ']', '{', '}', '&a ', '*a', '!!x ', '"', "'", '|', '  ', '? '),
        fc.string(),
      ),
    )
    fc.assert(
      fc.property(fragments, (parts) => {
        for (const parse of [parseYaml, parseJson]) {
          try {
            parse(parts.join(''), 'a file')
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError)
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('references to the environment', () => {
  it.each([
    ['a.yaml', `secret: \${TEST_SECRET}\nroute: "\${TEST_ROUTE:-app1}"\nrolling: \${TEST_ROLLING:-true}\n`],
    ['a.json', '{ "secret": "${TEST_SECRET}", "route": "${TEST_ROUTE:-app1}", "rolling": "${TEST_ROLLING:-true}" }'],
    [
      'a.mjs',
      `export default { secret: '\${TEST_SECRET}', route: '\${TEST_ROUTE:-app1}', rolling: '\${TEST_ROLLING:-true}' }`,
    ],
  ])('are replaced in %s', (name, text) => {
    vi.stubEnv('TEST_SECRET', secret)
    const { options, source } = loadOptions(file(name, text))
    expect(parseSettings(options, source)).toMatchObject({ secret: [secret], route: 'app1', rolling: true })
  })

  it('that are missing are told together with all other problems, each place once', () => {
    const path = file(
      'a.yaml',
      'secret: ${TEST_MISSING}\nnodes: "n1:memcached://u:${TEST_MISSING}@h:1"\ntrustFor: soon\ncolour: red\n',
    )
    const error = failure(() => loadOptions(path))
    expect(error.problems.map((problem) => problem.path)).toEqual(['secret', 'nodes', 'trustFor', 'colour'])
    expect(error.problems[0]?.expected).toContain('TEST_MISSING')
  })

  it('do not show in errors when they are secrets', () => {
    vi.stubEnv('TEST_SECRET', 'hunter2')
    const { options, source } = loadOptions(
      file('a.yaml', 'secret: ${TEST_SECRET}\nnodes: "http://u:${TEST_SECRET}@h"\n'),
    )
    const error = failure(() => parseSettings(options, source))
    expect(error.problems.map((problem) => problem.path)).toEqual(['secret', 'nodes'])
    expect(error.message).not.toContain('hunter2')
  })
})

describe('keys that name the prototype', () => {
  it.each([
    ['a.yaml', `secret: ${secret}\n__proto__: { rolling: true }\n`],
    ['a.json', `{"secret": "${secret}", "__proto__": {"rolling": true}}`],
  ])('are unknown keys in %s', (name, text) => {
    const { options, source } = loadOptions(file(name, text))
    expect(failure(() => parseSettings(options, source)).problems.map((problem) => problem.path)).toEqual(['__proto__'])
    expect({}).not.toHaveProperty('rolling')
  })
})
