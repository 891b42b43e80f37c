import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EventLog } from '../../../src/cli/demo/event-log.js'
import { freePorts } from '../../../src/cli/demo/free-ports.js'
import { findMemcached, StorageProcess } from '../../../src/cli/demo/storage-process.js'

function program(text: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'holdfast-')), 'memcached')
  writeFileSync(file, `#!/bin/sh\n${text}\n`)
  chmodSync(file, 0o755)
  return file
}

describe('memcached on the PATH', () => {
  it('is found in the first folder that has it as a program', () => {
    const file = program('exit 0')
    const empty = mkdtempSync(join(tmpdir(), 'holdfast-'))
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-'))
    mkdirSync(join(folder, 'memcached'))
    const noProgram = mkdtempSync(join(tmpdir(), 'holdfast-'))
    writeFileSync(join(noProgram, 'memcached'), 'text', { mode: 0o644 })
    expect(findMemcached([empty, folder, join(file, '..')].join(delimiter))).toBe(file)
    expect(findMemcached([empty, folder, ''].join(delimiter))).toBeUndefined()
    expect(findMemcached('')).toBeUndefined()
  })
})

describe('the process of a storage node', () => {
  it('that ends at once is reported with its last words', async () => {
    const [port = 0] = await freePorts(1, '127.0.0.1')
    const node = new StorageProcess('n1', port, program('echo "no memory left" >&2; exit 71'), new EventLog())
    await expect(node.start()).rejects.toThrow('n1 ended before it was ready:\n  no memory left')
    expect(node.state).toBe('dead')
  })

  it('that is no program at all is reported too', async () => {
    const [port = 0] = await freePorts(1, '127.0.0.1')
    const node = new StorageProcess('n1', port, join(tmpdir(), 'holdfast-does-not-exist'), new EventLog())
    await expect(node.start()).rejects.toThrow(/^n1 ended before it was ready:\n.*ENOENT/)
    expect(node.state).toBe('dead')
  })
})
