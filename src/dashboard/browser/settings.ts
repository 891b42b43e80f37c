import type { Actions } from './actions.js'
import { button, byId, element, setText } from './elements.js'
import type { Setting } from './permissions.js'
import { settingName, withUnit } from './setting-value.js'
import { beans, type Snapshot, type Values } from './snapshot.js'

/** The settings that may be changed at run time, as `list` tells them. */
export class Settings {
  private readonly actions: Actions
  private readonly list = byId('settings')
  private rows: { setting: Setting; value: HTMLElement }[] = []
  private values: ReadonlyMap<string, Values> = new Map()

  constructor(actions: Actions) {
    this.actions = actions
  }

  /** After the permissions became known. The rows stay when nothing is different. */
  rebuild(): void {
    const settings = this.actions.permissions.settings()
    if (JSON.stringify(settings) === JSON.stringify(this.rows.map(({ setting }) => setting))) return
    this.rows = settings.map((setting) => ({ setting, value: element('span', { class: 'value' }) }))
    this.list.replaceChildren(...this.rows.map((row) => this.row(row)))
    byId('settings-section').hidden = this.rows.length === 0
    this.showValues()
  }

  show(snapshot: Snapshot): void {
    this.values = new Map([
      [beans.manager, snapshot.manager],
      [beans.statistics, snapshot.statistics],
      [beans.writeBehind, snapshot.writeBehind],
      [beans.locking, snapshot.locking],
      ...snapshot.nodes.map(({ mbean, values }) => [mbean, values] as const),
    ])
    this.showValues()
  }

  private showValues(): void {
    for (const { setting, value } of this.rows) setText(value, withUnit(this.current(setting), setting.description))
  }

  private current({ mbean, name }: Setting): unknown {
    return this.values.get(mbean)?.[name]
  }

  private row({ setting, value }: { setting: Setting; value: HTMLElement }): HTMLElement {
    const name = settingName(setting.mbean, setting.name)
    const change = () => void this.actions.change(setting, this.current(setting))
    return element(
      'li',
      {},
      element('div', {}, element('strong', {}, name), element('p', { class: 'quiet' }, setting.description)),
      value,
      button('Change', change, { 'aria-label': `Change ${name}` }),
    )
  }
}
