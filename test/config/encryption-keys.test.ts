import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { describeSettings } from '../../src/config/describe-settings.js'
import { loadOptions } from '../../src/config/load-file.js'
import { changeSettings, findProblems, type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import { configurationWarnings } from '../../src/config/warnings.js'
import { createSessionManager } from '../../src/create-session-manager.js'
import { silentLogger } from '../../src/logger.js'

const secret = 'a-secret-of-the-tests-0123456789'
const material = randomBytes(32)
const text = material.toString('base64')
const other = randomBytes(32).toString('hex')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-keys-'))

afterAll(() => rmSync(folder, { recursive: true }))

function encryptionOf(encryption: unknown) {
  return parseSettings({ secret, encryption } as HoldfastOptions).encryption
}

function problemsOf(encryption: unknown) {
  return findProblems({ secret, encryption })
}

function fileWith(content: string | Buffer): string {
  const path = join(folder, randomBytes(6).toString('hex'))
  writeFileSync(path, content)
  return path
}

describe('encryption', () => {
  it('is off without keys, and then nothing is required', () => {
    expect(encryptionOf(undefined)).toEqual({ keys: [], write: true, required: false })
  })

  it('asks for encrypted records once it is on, unless told otherwise', () => {
    const keys = [{ id: 'k1', key: text }]
    expect(encryptionOf({ keys })).toMatchObject({ write: true, required: true })
    expect(encryptionOf({ keys, required: 'false' })).toMatchObject({ write: true, required: false })
    expect(encryptionOf({ keys, write: false })).toMatchObject({ write: false, required: false })
  })

  it.each([
    ['base64', { key: text }],
    ['base64url', { key: material.toString('base64url') }],
    ['hex', { key: material.toString('hex') }],
    ['a file', { file: fileWith(`${text}\n`) }],
  ])('reads a key as %s', (_form, entry) => {
    const [key] = encryptionOf({ keys: [{ id: 'k1', ...entry }] }).keys
    expect(key?.id).toBe('k1')
    expect(key?.key.export()).toEqual(material)
  })

  it('reads keys from the environment in a configuration file', () => {
    const path = join(folder, 'sessions.yaml')
    writeFileSync(path, `secret: ${secret}\nencryption:\n  keys:\n    - { id: k1, key: "\${TEST_ENCRYPTION_KEY}" }\n`)
    process.env.TEST_ENCRYPTION_KEY = text
    try {
      expect(parseSettings(loadOptions(path).options).encryption.keys[0]?.key.export()).toEqual(material)
    } finally {
      delete process.env.TEST_ENCRYPTION_KEY
    }
  })

  it.each([
    ['a text', text, 'encryption'],
    ['no list', { keys: text }, 'encryption.keys'],
    ['an empty list', { keys: [] }, 'encryption.keys'],
    ['keys without an id', { keys: [{ key: text }] }, 'encryption.keys[0].id'],
    ['an id with other characters', { keys: [{ id: 'k 1', key: text }] }, 'encryption.keys[0].id'],
    ['an id that is a key', { keys: [{ id: text, key: text }] }, 'encryption.keys[0].id'],
    ['a key that is too short', { keys: [{ id: 'k1', key: text.slice(4) }] }, 'encryption.keys[0].key'],
    ['a key that is too long', { keys: [{ id: 'k1', key: `${text}AAAA` }] }, 'encryption.keys[0].key'],
    ['a passphrase', { keys: [{ id: 'k1', key: `a passphrase of ${text.slice(16, 43)}` }] }, 'encryption.keys[0].key'],
    ['key and file', { keys: [{ id: 'k1', key: text, file: 'x' }] }, 'encryption.keys[0]'],
    ['neither', { keys: [{ id: 'k1' }] }, 'encryption.keys[0]'],
    ['an unknown key', { keys: [{ id: 'k1', kee: text }] }, 'encryption.keys[0]'],
    ['a bare text in the list', { keys: [{ id: 'k1', key: text }, text] }, 'encryption.keys[1]'],
    [
      'an id twice',
      {
        keys: [
          { id: 'k1', key: text },
          { id: 'k1', key: other },
        ],
      },
      'encryption.keys',
    ],
    [
      'a file that is not there',
      { keys: [{ id: 'k1', file: join(folder, text.replaceAll('/', '_')) }] },
      'encryption.keys[0].file',
    ],
    ['a file that is a folder', { keys: [{ id: 'k1', file: folder }] }, 'encryption.keys[0].file'],
    ['a file with something else', { keys: [{ id: 'k1', file: fileWith(material) }] }, 'encryption.keys[0].file'],
    ['an endless file', { keys: [{ id: 'k1', file: '/dev/zero' }] }, 'encryption.keys[0].file'],
    ['required without keys', { required: true }, 'encryption.required'],
    [
      'required without writing',
      { keys: [{ id: 'k1', key: text }], write: false, required: true },
      'encryption.required',
    ],
  ])('refuses %s without showing what stands there', (_what, encryption, path) => {
    const problems = problemsOf(encryption)
    expect(problems.map((problem) => problem.path)).toEqual([path])
    for (const part of [text.slice(5, 20), other.slice(5, 20)]) expect(JSON.stringify(problems)).not.toContain(part)
  })

  it('suggests the name of a mistyped key', () => {
    expect(problemsOf({ requird: true })).toEqual([
      { path: 'encryption.requird', value: '', expected: 'no key of this name; did you mean "required"?' },
    ])
  })

  it('shows the ids of its keys and nothing else of them', () => {
    const options = {
      secret,
      encryption: {
        keys: [
          { id: 'k2', key: other },
          { id: 'k1', key: text },
        ],
      },
    }
    const settings = parseSettings(options)
    const described = describeSettings(settings)
    expect(described).toMatchObject({
      'encryption.keys': 'k2 k1',
      'encryption.write': 'true',
      'encryption.required': 'true',
    })
    const printed = [
      inspect(settings, { depth: 10, showHidden: true }),
      JSON.stringify(settings),
      JSON.stringify(described),
    ]
    for (const shown of printed) for (const key of [text, other]) expect(shown).not.toContain(key.slice(0, 20))
  })

  it('does not show when a session manager is printed', async () => {
    const sessions = createSessionManager({
      secret,
      encryption: { keys: [{ id: 'k1', key: text }] },
      logger: silentLogger,
    })
    const printed = `${inspect(sessions, { depth: 10, showHidden: true })} ${JSON.stringify(sessions.settings())}`
    await sessions.close()
    expect(printed).not.toContain(text.slice(0, 20))
    expect(printed).not.toContain(secret)
  })

  it('changes at run time key by key, and reads files again', () => {
    const file = fileWith(text)
    const current: HoldfastOptions = { secret, encryption: { keys: [{ id: 'k1', file }], required: false } }
    const { settings, options } = changeSettings(current, { encryption: { required: true } })
    expect(settings.encryption).toMatchObject({ keys: [{ id: 'k1' }], required: true })
    writeFileSync(file, other)
    expect(changeSettings(options, {}).settings.encryption.keys[0]?.key.export().toString('hex')).toBe(other)
    expect(changeSettings(options, { encryption: undefined }).settings.encryption.keys).toEqual([])
  })

  it('warns while unencrypted records are believed', () => {
    const warningsOf = (options: HoldfastOptions) => configurationWarnings(options, parseSettings(options)).join('\n')
    const encryption = { keys: [{ id: 'k1', key: text }] }
    expect(warningsOf({ secret, encryption: { ...encryption, required: false } })).toContain(
      'encryption.required is off',
    )
    expect(warningsOf({ secret, encryption })).not.toContain('encryption')
    expect(warningsOf({ secret })).not.toContain('encryption')
  })
})
