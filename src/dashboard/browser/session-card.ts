import type { Actions } from './actions.js'
import { button, element } from './elements.js'
import { formatBytes, formatValue } from './format.js'
import { factsOf, type SessionDetail } from './session-facts.js'
import { beans } from './snapshot.js'

/** One session: its meta data and its attributes with their sizes, and what can be done with it. */
export class SessionCard {
  readonly root: HTMLElement
  private readonly handle: string
  private readonly actions: Actions
  private readonly onEnd: () => void

  constructor(handle: string, session: SessionDetail, actions: Actions, onEnd: () => void) {
    this.handle = handle
    this.actions = actions
    this.onEnd = onEnd
    const rows = factsOf(session).map(([name, text]) =>
      element('div', {}, element('dt', {}, name), element('dd', {}, text)),
    )
    this.root = element(
      'article',
      { class: 'session', tabindex: '-1', 'aria-label': `Session ${handle}` },
      element('h3', {}, 'Session ', element('code', {}, handle)),
      element('dl', { class: 'rows' }, ...rows),
      this.attributes(session.attributes),
      this.buttons(),
    )
  }

  private attributes(rows: SessionDetail['attributes']): HTMLElement {
    if (rows.length === 0) return element('p', { class: 'quiet' }, 'It has no attributes.')
    const showValues = this.actions.can('sessionValue')
    const names = ['Attribute', 'Size', 'Codec', ...(showValues ? ['Value'] : [])]
    const head = names.map((name) => element('th', { scope: 'col', class: name === 'Size' ? 'number' : '' }, name))
    const body = rows.map((row) => this.attributeRow(row, showValues))
    return element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...body))
  }

  private attributeRow({ name, codec, bytes }: SessionDetail['attributes'][number], showValues: boolean): HTMLElement {
    const size = element('td', { class: 'number' }, formatBytes(bytes))
    const row = element('tr', {}, element('td', {}, name), size, element('td', {}, codec))
    if (showValues) row.append(this.valueCell(name))
    return row
  }

  private valueCell(name: string): HTMLElement {
    const cell = element('td', { class: 'wrap' })
    const show = async (): Promise<void> => {
      const args = [this.handle, name]
      const result = await this.actions.call({ mbean: beans.manager, name: 'sessionValue', args })
      if (result !== undefined) cell.replaceChildren(element('code', {}, formatValue(result.value)))
    }
    cell.append(button('Show', () => void show(), { 'aria-label': `Show the value of ${name}` }))
    return cell
  }

  private buttons(): HTMLElement {
    const expire = button('Expire', () => void this.end('expireSession', 'Expire'))
    const destroy = button('Destroy', () => void this.end('destroySession', 'Destroy'), { class: 'danger' })
    expire.hidden = !this.actions.can('expireSession')
    destroy.hidden = !this.actions.can('destroySession')
    return element('div', { class: 'buttons' }, expire, destroy)
  }

  private async end(name: string, action: string): Promise<void> {
    const question = {
      title: `${action} session ${this.handle}?`,
      text: 'The visitor loses what is in it, and has to log in again. This can’t be undone.',
      action,
      dangerous: true,
    }
    const operation = { mbean: beans.manager, name, args: [this.handle] }
    if (await this.actions.confirmed(question, operation, () => `Session ${this.handle} has ended.`)) this.onEnd()
  }
}
