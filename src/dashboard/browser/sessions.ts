import type { Actions } from './actions.js'
import { button, byId, element } from './elements.js'
import { formatName, formatValue } from './format.js'
import { SessionCard } from './session-card.js'
import { beans, type Values } from './snapshot.js'

const PAGE = 20

/** Looks sessions up by their handles, and lists those in this server's memory. */
export class Sessions {
  private readonly actions: Actions
  private readonly result = byId('session')
  private readonly list = byId('session-list')
  private offset = 0

  constructor(actions: Actions) {
    this.actions = actions
    const input = byId<HTMLInputElement>('handle')
    byId('find-form').addEventListener('submit', (event) => {
      event.preventDefault()
      const handle = input.value.trim()
      if (handle !== '') void this.find(handle)
    })
    byId('list-sessions').addEventListener('click', () => void this.showPage(0))
  }

  /** After the permissions became known. */
  rebuild(): void {
    byId('find-form').hidden = !this.actions.can('findSession')
    byId('list-sessions').hidden = !this.actions.can('listSessions')
    byId('sessions-section').hidden = !this.actions.can('findSession') && !this.actions.can('listSessions')
  }

  private async find(handle: string): Promise<void> {
    const found = await this.actions.call({ mbean: beans.manager, name: 'findSession', args: [handle] })
    if (found === undefined) return
    if (typeof found.value !== 'object' || found.value === null) {
      this.result.replaceChildren(element('p', {}, `There is no session ${handle}.`))
      return
    }
    const card = new SessionCard(handle, found.value as Values, this.actions, () => this.gone(handle))
    this.result.replaceChildren(card.root)
    card.root.focus()
  }

  private gone(handle: string): void {
    this.result.replaceChildren(element('p', {}, `Session ${handle} has ended.`))
    if (this.list.childElementCount > 0) void this.showPage(this.offset)
  }

  private async showPage(offset: number): Promise<void> {
    const page = await this.actions.call({ mbean: beans.manager, name: 'listSessions', args: [offset, PAGE] })
    if (page === undefined) return
    this.offset = offset
    const rows = rowsOf(page.value)
    const earlier = button('Earlier', () => void this.showPage(Math.max(0, offset - PAGE)))
    const further = button('Further', () => void this.showPage(offset + PAGE))
    earlier.disabled = offset === 0
    further.disabled = rows.length < PAGE
    const range = rows.length === 0 ? 'No sessions.' : `${offset + 1} to ${offset + rows.length}`
    this.list.replaceChildren(
      ...(rows.length === 0 ? [] : [element('div', { class: 'scroller', tabindex: '0' }, this.table(rows))]),
      element('div', { class: 'buttons' }, earlier, further, element('span', { class: 'quiet' }, range)),
    )
  }

  private table(rows: readonly Values[]): HTMLElement {
    const names = Object.keys(rows[0] ?? {})
    const head = names.map((name) => element('th', { scope: 'col' }, formatName(name)))
    const body = rows.map((row) => element('tr', {}, ...names.map((name) => this.cell(name, row[name]))))
    return element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...body))
  }

  private cell(name: string, value: unknown): HTMLElement {
    if (name !== 'handle' || typeof value !== 'string') return element('td', {}, formatValue(value))
    const look = button(value, () => void this.find(value), { class: 'link', 'aria-label': `Show session ${value}` })
    return element('td', {}, this.actions.can('findSession') ? look : value)
  }
}

/** The sessions of a page, whether they come as they are or beside other things. */
function rowsOf(value: unknown): Values[] {
  const inner = Array.isArray(value) ? value : (value as { sessions?: unknown } | null)?.sessions
  return Array.isArray(inner) ? inner.filter((row) => typeof row === 'object' && row !== null) : []
}
