import type { Actions } from './actions.js'
import { button, byId, element } from './elements.js'
import { formatCount } from './format.js'
import { SessionCard } from './session-card.js'
import { type SessionDetail, type SessionSummary, summaryColumns } from './session-facts.js'
import { beans } from './snapshot.js'

const PAGE = 20

/** What `listSessions` answers. */
interface SessionPage {
  total?: number
  sessions?: readonly SessionSummary[]
}

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
    const card = new SessionCard(handle, found.value as SessionDetail, this.actions, () => this.gone(handle))
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
    const { total = 0, sessions: rows = [] } = page.value as SessionPage
    const earlier = button('Earlier', () => void this.showPage(Math.max(0, offset - PAGE)))
    const further = button('Further', () => void this.showPage(offset + PAGE))
    earlier.disabled = offset === 0
    further.disabled = offset + rows.length >= total
    const range =
      rows.length === 0 ? 'No sessions.' : `${offset + 1} to ${offset + rows.length} of ${formatCount(total)}`
    this.list.replaceChildren(
      ...(rows.length === 0 ? [] : [element('div', { class: 'scroller', tabindex: '0' }, this.table(rows))]),
      element('div', { class: 'buttons' }, earlier, further, element('span', { class: 'quiet' }, range)),
    )
  }

  private table(sessions: readonly SessionSummary[]): HTMLElement {
    const heads = [{ title: 'Handle', isNumber: false }, ...summaryColumns]
    const head = heads.map(({ title, isNumber }) => element('th', { scope: 'col', class: isNumber && 'number' }, title))
    const body = sessions.map((session) => element('tr', {}, ...this.cells(session)))
    return element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...body))
  }

  private cells(session: SessionSummary): HTMLElement[] {
    const { handle } = session
    const look = button(handle, () => void this.find(handle), { class: 'link', 'aria-label': `Show session ${handle}` })
    const first = element('td', {}, this.actions.can('findSession') ? look : handle)
    return [
      first,
      ...summaryColumns.map(({ text, isNumber }) => element('td', { class: isNumber && 'number' }, text(session))),
    ]
  }
}
