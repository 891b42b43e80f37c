import { createHash } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { AdminAuth } from '../../../src/admin/admin-settings.js'
import { post, request, startSample } from '../sample.js'

const tokens = [{ name: 'ci', role: 'viewer' as const, sha256: createHash('sha256').update('a-token').digest('hex') }]
const users = [{ name: 'ops', role: 'viewer' as const, password: 'a long enough password' }]
const assets = new Map([['/', { contentType: 'text/html; charset=utf-8', body: '<!doctype html>page' }]])

let close = async (): Promise<void> => {}
afterEach(() => close())

async function start(auth: AdminAuth): Promise<string> {
  const server = await startSample({ auth, health: { public: false, storage: true } }, { assets })
  close = server.close
  return server.url
}

describe('where tokens are the only way to log in', () => {
  it('everybody gets the page, which asks for one, and nothing else', async () => {
    const url = await start({ users: [], tokens })
    const page = await request(url)
    expect(page).toMatchObject({ status: 200, body: '<!doctype html>page' })
    expect(page.headers['content-security-policy']).toMatch(/script-src 'self'/)
    for (const path of ['/jolokia', '/jolokia/config', '/metrics', '/healthz', '/readyz']) {
      expect({ path, status: (await request(url + path)).status }).toEqual({ path, status: 401 })
    }
    expect((await post(`${url}/jolokia`, { type: 'version' })).status).toBe(401)
    expect((await request(`${url}/unknown`)).status).toBe(404)
    expect((await request(url, { method: 'POST' })).status).toBe(405)
    expect((await request(url, { headers: { Host: 'evil.example' } })).status).toBe(403)
  })
})

describe('where there are passwords', () => {
  it('nobody gets the page without one, so that the browser asks', async () => {
    const url = await start({ users, tokens })
    expect(await request(url)).toMatchObject({ status: 401, headers: { 'www-authenticate': expect.anything() } })
  })
})
