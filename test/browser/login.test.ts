import { createHash } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { createSessionManager, type Sessions } from '../../src/create-session-manager.js'
import { silentLogger } from '../../src/logger.js'
import { secret, startAppServer } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { announced, confirm, launchChromium, openPage, type WatchedPage } from './browser.js'

let browser: Browser
const closing: (() => unknown)[] = []
const unauthorized = /the server responded with a status of 401/

beforeAll(async () => {
  browser = await launchChromium()
})

afterAll(() => browser?.close())

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

type AdminOptions = NonNullable<HoldfastOptions['admin']>

function sessions(admin: AdminOptions): Sessions {
  const made = createSessionManager({ secret, logger: silentLogger, route: 'x1', admin })
  closing.push(() => made.close())
  return made
}

async function listening(admin: AdminOptions): Promise<string> {
  const made = sessions({ listen: '127.0.0.1:0', readOnly: false, ...admin })
  await made.ready()
  return `${made.adminUrl}/`
}

async function open(url: string, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const watched = await openPage(browser, url, options)
  closing.push(watched.close)
  return watched
}

function live(page: Page): Promise<void> {
  return page.locator('#connection[data-state=live]').waitFor()
}

function tokenOf(role: 'viewer' | 'operator', values = false) {
  const sha256 = createHash('sha256').update(`token-of-the-${role}`).digest('hex')
  return { name: role, role, values, sha256 }
}

const tokens = { users: [], tokens: [tokenOf('viewer'), tokenOf('operator')] }

async function logIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Access token').fill(token)
  await page.getByRole('button', { name: 'Log in' }).click()
}

describe('a login by token', () => {
  it('is asked for in the page, and kept as long as the tab', async () => {
    const { page, errors } = await open(await listening({ auth: tokens }))
    await page.getByLabel('Access token').waitFor()
    expect(await page.locator('#content').isVisible()).toBe(false)
    for (const wrong of ['a-wrong-one', 'no tökén']) {
      await logIn(page, wrong)
      await page.getByText('The token was not accepted.').waitFor()
    }
    await logIn(page, 'token-of-the-operator')
    await live(page)
    await page.reload()
    await live(page)
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByLabel('Access token').waitFor()
    expect(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])).toEqual([0, 0, ''])
    expect(errors.filter((error) => !unauthorized.test(error))).toEqual([])
  })

  it('as operator shows everything that can be done', async () => {
    const { page } = await open(await listening({ auth: tokens }))
    await logIn(page, 'token-of-the-operator')
    await live(page)
    await page.getByRole('button', { name: 'Flush' }).click()
    await confirm(page, 'Flush')
    await announced(page, 'Everything is stored.')
    expect(await page.getByText('look only').isVisible()).toBe(false)
  })

  it('as viewer shows the figures, and nothing that changes anything', async () => {
    const { page } = await open(await listening({ auth: tokens }))
    await logIn(page, 'token-of-the-viewer')
    await live(page)
    await page.getByText('look only').waitFor()
    const names = await page.getByRole('button').allTextContents()
    expect([...names].sort()).toEqual(['Find', 'List sessions', 'Log out', 'Probe'])
    expect(await page.locator('#settings-section').isVisible()).toBe(false)
  })
})

describe('the right to see values', () => {
  it('shows what is in a session, as text whatever it is', async () => {
    const auth = { users: [], tokens: [tokenOf('viewer', true)] }
    const server = await startAppServer({ route: 'x1', admin: { listen: '127.0.0.1:0', auth } })
    closing.push(server.close)
    await new Visitor().post(server.url, { '<i>name</i>': '<img src=x onerror=alert(1)>' })
    const { page, errors } = await open(`${server.sessions.adminUrl}/`)
    await logIn(page, 'token-of-the-viewer')
    await page.getByRole('button', { name: 'List sessions' }).click()
    await page.getByRole('button', { name: /^Show session/ }).click()
    await page.getByRole('button', { name: 'Show the value of <i>name</i>' }).click()
    await page.getByText('"<img src=x onerror=alert(1)>"').waitFor()
    expect(await page.locator('article img, article i').count()).toBe(0)
    expect(errors.filter((error) => !unauthorized.test(error))).toEqual([])
  })
})

describe('where nothing may be changed', () => {
  it('an operator sees no button for it either', async () => {
    const { page, errors } = await open(await listening({ readOnly: true }))
    await live(page)
    await page.getByText('look only').waitFor()
    expect((await page.getByRole('button').allTextContents()).sort()).toEqual(['Find', 'List sessions', 'Probe'])
    expect(errors).toEqual([])
  })
})

describe('a login by name and password', () => {
  it('is asked for by the browser', async () => {
    const users = [{ name: 'ops', role: 'operator' as const, password: 'a long enough password' }]
    const url = await listening({ auth: { users, tokens: [] } })
    const httpCredentials = { username: 'ops', password: 'a long enough password' }
    const { page, errors } = await open(url, { httpCredentials })
    await live(page)
    await page.getByRole('button', { name: 'Flush' }).waitFor()
    expect(errors).toEqual([])
  })
})

describe('mounted in an application', () => {
  it('the page works below any path', async () => {
    const app = express()
    app.use('/ops/admin', sessions({ readOnly: false }).adminRouter({ unprotected: true }))
    const server = await new Promise<Server>((resolve) => {
      const started = app.listen(0, '127.0.0.1', () => resolve(started))
    })
    closing.push(() => new Promise((resolve) => server.close(resolve)))
    const { page, errors } = await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/ops/admin`)
    await live(page)
    expect(await page.title()).toBe('Holdfast · x1')
    expect(errors).toEqual([])
  })
})
