import type { Actions } from './actions.js'
import { button, element } from './elements.js'
import { formatBytes, formatName, formatValue } from './format.js'
import { beans, type Values } from './snapshot.js'

interface AttributeRow {
  name?: unknown
  size?: unknown
  codec?: unknown
}

/** One session: its meta data and its attributes with their sizes, and what can be done with it. */
export class SessionCard {
  readonly root: HTMLElement
  private readonly handle: string
  private readonly actions: Actions
  private readonly onEnd: () => void

  constructor(handle: string, session: Values, actions: Actions, onEnd: () => void) {
    this.handle = handle
    this.actions = actions
    this.onEnd = onEnd
    const facts = Object.entries(session).filter(([, value]) => !Array.isArray(value))
    const rows = facts.map(([name, value]) =>
      element('div', {}, element('dt', {}, formatName(name)), element('dd', {}, formatValue(value))),
    )
    this.root = element(
      'article',
      { class: 'session', tabindex: '-1', 'aria-label': `Session ${handle}` },
      element('h3', {}, 'Session ', element('code', {}, handle)),
      element('dl', { class: 'rows' }, ...rows),
      this.attributes(Array.isArray(session.attributes) ? session.attributes : []),
      this.buttons(),
    )
  }

  private attributes(rows: readonly AttributeRow[]): HTMLElement {
    if (rows.length === 0) return element('p', { class: 'quiet' }, 'It has no attributes.')
    const showValues = this.actions.can('sessionValue')
    const names = ['Attribute', 'Size', 'Codec', ...(showValues ? ['Value'] : [])]
    const head = names.map((name) => element('th', { scope: 'col', class: name === 'Size' ? 'number' : '' }, name))
    const body = rows.map((row) => this.attributeRow(row, showValues))
    return element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...body))
  }

  private attributeRow({ name, size, codec }: AttributeRow, showValues: boolean): HTMLElement {
    const text = formatValue(name)
    const row = element(
      'tr',
      {},
      element('td', {}, text),
      element('td', { class: 'number' }, typeof size === 'number' ? formatBytes(size) : formatValue(size)),
      element('td', {}, formatValue(codec)),
    )
    if (showValues) row.append(this.valueCell(text))
    return row
  }

  private valueCell(name: string): HTMLElement {
    const cell = element('td', { class: 'wrap' })
    const show = async (): Promise<void> => {
      const args = [this.handle, name]
      const result = await this.actions.call({ mbean: beans.manager, name: 'sessionValue', args })
      if (result !== undefined) cell.replaceChildren(element('code', {}, JSON.stringify(result.value)))
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
