import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { announced, confirm, figure, launchChromium, openPage, type WatchedPage } from './browser.js'
import { type DemoCluster, startDemo } from './demo-cluster.js'

const patient = { timeout: 30_000, interval: 100 }

let browser: Browser
let demo: DemoCluster
let open: WatchedPage[] = []
/** Errors that a test causes itself. */
let expectedErrors: RegExp | undefined

beforeAll(async () => {
  ;[browser, demo] = await Promise.all([launchChromium(), startDemo()])
})

afterAll(async () => {
  await browser?.close()
  await demo?.close()
})

/* Whatever a test is about: the page reports no error, and asks nobody but its own server. */
afterEach(async () => {
  const [pages, pattern] = [open, expectedErrors]
  open = []
  expectedErrors = undefined
  await Promise.all(pages.map(({ close }) => close()))
  for (const { errors, hosts } of pages) {
    expect(errors.filter((error) => pattern?.test(error) !== true)).toEqual([])
    expect([...hosts]).toHaveLength(1)
    expect(Object.values(demo.dashboards).map((url) => new URL(url).host)).toContain([...hosts][0])
  }
})

async function dashboard(route: 'a' | 'b', options: BrowserContextOptions = {}): Promise<Page> {
  const watched = await openPage(browser, demo.dashboards[route] as string, options)
  open.push(watched)
  await watched.page.locator('#connection[data-state=live]').waitFor()
  return watched.page
}

function nodeCard(page: Page, id: string) {
  return page.locator('.node', { has: page.locator('h3 span:first-child', { hasText: new RegExp(`^${id}$`) }) })
}

function settingRow(page: Page, name: string) {
  return page.locator('#settings li', { has: page.getByRole('button', { name: `Change ${name}`, exact: true }) })
}

describe('the figures', () => {
  it('tell what server it is, and what storage nodes it has', async () => {
    const page = await dashboard('b')
    expect(await page.title()).toBe('Holdfast · b')
    expect(await page.locator('#mode').textContent()).toBe('sticky')
    expect(await page.locator('#enabled').textContent()).toBe('yes')
    expect(await page.locator('#version').textContent()).toMatch(/^\d+\.\d+\.\d+/)
    for (const id of ['n1', 'n2']) await nodeCard(page, id).locator('.state', { hasText: /^up$/ }).waitFor()
    expect(await page.locator('.node').count()).toBe(2)
  })

  it('move with the requests, in counters and in charts', async () => {
    const page = await dashboard('a')
    const before = (await figure(page, '#request-total')) ?? 0
    const visitors = await demo.shoppers(3, 'a')
    const localHits = async (): Promise<number> => {
      await Promise.all(visitors.map((visitor) => demo.cartOf(visitor)))
      return (await figure(page, '[data-series=localHits]')) ?? 0
    }
    await expect.poll(localHits, patient).toBeGreaterThan(0)
    await expect.poll(() => figure(page, '#request-total'), patient).toBeGreaterThan(before + 3)
    await expect.poll(() => figure(page, '#sessions'), patient).toBeGreaterThanOrEqual(3)
    await expect.poll(() => coloredPixels(page, '--line-1'), patient).toBeGreaterThan(20)
  })

  it('stand still while nobody looks, and go on when somebody does', async () => {
    const page = await dashboard('a')
    await setHidden(page, true)
    await page.locator('#connection[data-state=paused]').waitFor()
    await setHidden(page, false)
    await page.locator('#connection[data-state=live]').waitFor()
  })
})

describe('a storage node', () => {
  it('turns red within three seconds when it is killed, and recovers', async () => {
    const page = await dashboard('a')
    const card = nodeCard(page, 'n2')
    await card.and(page.locator('[data-state=up]')).waitFor()
    await demo.control('n2', 'kill')
    const killed = performance.now()
    await card.and(page.locator('[data-state=down]')).waitFor()
    expect(performance.now() - killed).toBeLessThan(3000)
    expect(await colorOf(card.locator('.state'))).toBe(await colorOf(page.locator('#nodes-state')))
    expect(await page.locator('#nodes-state').textContent()).toBe('1 of 2 down')
    await demo.control('n2', 'revive')
    await card.and(page.locator('[data-state=up]')).waitFor()
  })

  it('is drained and used again, each after a confirmation', async () => {
    const page = await dashboard('a')
    await demo.shoppers(6, 'a')
    const card = nodeCard(page, 'n1')
    const sessions = () => figure(page, `.node:nth-child(1) dd`)
    await expect.poll(sessions, patient).toBeGreaterThan(0)
    await card.getByRole('button', { name: 'Drain', exact: true }).click()
    await confirm(page, 'Cancel')
    expect(await card.getAttribute('data-draining')).toBe('false')
    await card.getByRole('button', { name: 'Drain', exact: true }).click()
    await confirm(page, 'Drain')
    await announced(page, 'Node n1 is being drained.')
    await card.locator('.state', { hasText: 'up, draining' }).waitFor()
    await expect.poll(sessions, patient).toBe(0)
    await card.getByRole('button', { name: 'Undrain' }).click()
    await confirm(page, 'Undrain')
    await card.locator('.state', { hasText: /^up$/ }).waitFor()
  })

  it('is probed', async () => {
    const page = await dashboard('a')
    await nodeCard(page, 'n1').getByRole('button', { name: 'Probe' }).click()
    await announced(page, 'Node n1 is up.')
  })
})

describe('a session', () => {
  it('is found in the list, looked into, and destroyed', async () => {
    const page = await dashboard('a')
    const [visitor] = await demo.shoppers(1, 'a')
    if (visitor === undefined) throw new Error('nobody came')
    expect(await demo.cartOf(visitor)).toHaveLength(1)
    const handle = await newestHandle(page)
    await page.getByLabel('Handle').fill(handle)
    await page.getByRole('button', { name: 'Find' }).click()
    const card = page.getByRole('article', { name: `Session ${handle}` })
    expect(await card.locator('dl').textContent()).toMatch(/Ownera.*Copiesn[12] \(changed [^()]*\d[^()]*\)/)
    expect(await card.locator('tbody tr').textContent()).toMatch(/^cart\d+ Bjson/)
    await card.getByRole('button', { name: 'Destroy' }).click()
    await confirm(page, 'Destroy')
    await announced(page, `Session ${handle} has ended.`)
    expect(await demo.cartOf(visitor)).toHaveLength(0)
    await page.getByRole('button', { name: 'Find' }).click()
    await page.getByText(`There is no session ${handle}.`).waitFor()
  })

  it('that nobody could have is refused with a reason', async () => {
    const page = await dashboard('a')
    await page.getByLabel('Handle').fill('<b>not a handle</b>')
    await page.getByRole('button', { name: 'Find' }).click()
    await announced(page, /That did not work: .*the handle of a session/)
  })
})

describe('a setting', () => {
  it('is changed, and shown as it is then', async () => {
    const page = await dashboard('a')
    const row = settingRow(page, 'Idle timeout')
    const change = async (value: string): Promise<void> => {
      await row.getByRole('button').click()
      await page.getByLabel('Idle timeout', { exact: true }).fill(value)
      await confirm(page, 'Change')
    }
    await row.getByText('1800000 ms (30 min)').waitFor()
    await change('2700000')
    await announced(page, 'Idle timeout is now 2700000 ms (45 min), and was 1800000 ms (30 min).')
    await row.getByText('2700000 ms (45 min)').waitFor()
    await change('soon')
    await announced(page, 'That did not work: the value: got "soon", expected a whole number')
    expect(await row.locator('.value').textContent()).toBe('2700000 ms (45 min)')
    await change('1800000')
    await row.getByText('1800000 ms (30 min)').waitFor()
  })

  it('that is on or off is chosen', async () => {
    const page = await dashboard('b')
    const row = settingRow(page, 'Statistics enabled')
    for (const value of ['no', 'yes']) {
      await row.getByRole('button').click()
      await page.getByLabel('Statistics enabled', { exact: true }).selectOption({ label: value })
      await confirm(page, 'Change')
      await row.locator('.value', { hasText: value }).waitFor()
      expect(await page.locator('#statistics-off').isVisible()).toBe(value === 'no')
    }
  })
})

describe('the server', () => {
  it('flushes by keyboard alone', async () => {
    const page = await dashboard('a')
    const flush = page.getByRole('button', { name: 'Flush' })
    await flush.waitFor()
    await tabTo(page, 'Flush')
    expect(await flush.evaluate((button) => getComputedStyle(button).outlineStyle)).toBe('solid')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog', { name: 'Flush?' }).waitFor()
    expect(await focused(page)).toBe('Cancel')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    expect(await focused(page)).toBe('Flush')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('Flush')
    await page.keyboard.press('Enter')
    await announced(page, 'Everything is stored.')
    expect(await focused(page)).toBe('Flush')
  })

  it('re-protects its sessions, and resets its statistics', async () => {
    const page = await dashboard('a')
    await page.getByRole('button', { name: 'Re-protect' }).click()
    await confirm(page, 'Re-protect')
    await announced(page, 'Sessions are looked at and protected again.')
    await demo.shoppers(1, 'a')
    await page.getByRole('button', { name: 'Reset statistics' }).click()
    await confirm(page, 'Reset')
    await announced(page, 'The statistics begin at zero.')
    await expect.poll(() => figure(page, '#request-total'), patient).toBe(0)
  })

  it('is missed at once when it dies, and found again', async () => {
    expectedErrors = /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/
    const page = await dashboard('b')
    await demo.control('b', 'kill')
    const alert = page.getByRole('alert').filter({ hasText: 'No connection to the server' })
    await alert.waitFor()
    expect(await page.locator('#connection').textContent()).toBe('no connection')
    await demo.control('b', 'revive')
    await alert.waitFor({ state: 'hidden' })
    await page.locator('#connection[data-state=live]').waitFor()
  })
})

describe('the looks', () => {
  it.each(['light', 'dark'] as const)('fit a phone of 360 px, %s', async (colorScheme) => {
    const page = await dashboard('a', { viewport: { width: 360, height: 740 }, colorScheme })
    await demo.shoppers(1, 'a')
    await page.getByRole('button', { name: 'List sessions' }).click()
    await page
      .getByRole('button', { name: /^Show session/ })
      .first()
      .click()
    await page.getByRole('article').waitFor()
    expect(await page.evaluate(widthTooMuch)).toBe(0)
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const [brightness = 0] = /\d+/.exec(background) ?? []
    if (colorScheme === 'dark') expect(Number(brightness)).toBeLessThan(64)
    else expect(Number(brightness)).toBeGreaterThan(192)
  })
})

function widthTooMuch(): number {
  return document.documentElement.scrollWidth - window.innerWidth
}

/** Of the session that came last: the list has them as they came. */
async function newestHandle(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'List sessions' }).click()
  const further = page.getByRole('button', { name: 'Further' })
  await further.waitFor()
  while (await further.isEnabled()) {
    const range = page.locator('#session-list .quiet')
    const shown = (await range.textContent()) ?? ''
    await further.click()
    await range.filter({ hasNotText: shown }).waitFor()
  }
  return (await page.locator('#session-list tbody button').last().textContent()) ?? ''
}

function focused(page: Page): Promise<string | null> {
  return page.evaluate(() => document.activeElement?.textContent ?? null)
}

async function tabTo(page: Page, text: string): Promise<void> {
  for (let presses = 0; presses < 200 && (await focused(page)) !== text; presses++) await page.keyboard.press('Tab')
  expect(await focused(page)).toBe(text)
}

function colorOf(locator: ReturnType<Page['locator']>): Promise<string> {
  return locator.evaluate((element) => getComputedStyle(element).color)
}

function setHidden(page: Page, hidden: boolean): Promise<void> {
  return page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden })
    document.dispatchEvent(new Event('visibilitychange'))
  }, hidden)
}

/** Pixels of the first chart that have the colour of a line. */
function coloredPixels(page: Page, color: string): Promise<number> {
  return page.evaluate((name) => {
    const wanted = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1)
    const rgb = [0, 2, 4].map((at) => Number.parseInt(wanted.slice(at, at + 2), 16))
    const canvas = document.querySelector('canvas') ?? document.createElement('canvas')
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true })
    copy?.drawImage(canvas, 0, 0)
    const pixels = copy?.getImageData(0, 0, canvas.width, canvas.height).data ?? []
    let count = 0
    for (let at = 0; at < pixels.length; at += 4) if (rgb.every((part, i) => pixels[at + i] === part)) count++
    return count
  }, color)
}
