import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { chromiumProgram } from '../../src/testing/server-binaries.js'
import { findOrInstall } from '../support/find-or-install.js'

/* No sandbox, as root has none; nothing that asks the network by itself. */
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A page of the dashboard, with everything that a quiet page must not do. */
export interface WatchedPage {
  page: Page
  /** Errors of scripts, of the content security policy, of requests. */
  errors: string[]
  /** Hosts that were asked for anything. */
  hosts: Set<string>
  close(): Promise<void>
}

/** Chromium of this machine, installed with apt when there is none (Debian, as root). */
export async function launchChromium(): Promise<Browser> {
  const found = await findOrInstall(chromiumProgram)
  if (found.kind !== 'program') throw new Error('chromium must be a program of this machine')
  return chromium.launch({ executablePath: found.path, args: flags })
}

/** Opens an address in a browser profile of its own. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options })
  const page = await context.newPage()
  const errors: string[] = []
  const hosts = new Set<string>()
  page.setDefaultTimeout(20_000)
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text())
  })
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url())
    if (protocol !== 'data:') hosts.add(host)
  })
  await page.goto(url)
  return { page, errors, hosts, close: () => context.close() }
}

/** The figure in an element; `undefined`: it is not known yet. */
export async function figure(page: Page, selector: string): Promise<number | undefined> {
  const text = (await page.locator(selector).first().textContent()) ?? ''
  const match = /^-?[\d,]+(\.\d+)?/.exec(text)
  return match === null ? undefined : Number(match[0].replaceAll(',', ''))
}

/** Answers the dialog that is open with its button of that name. */
export async function confirm(page: Page, action: string): Promise<void> {
  await page.locator('dialog[open]').getByRole('button', { name: action, exact: true }).click()
}

/** Waits until the page tells that something was done, or why it was not. */
export async function announced(page: Page, text: string | RegExp): Promise<void> {
  await page.locator('#announcements p', { hasText: text }).first().waitFor()
}
