import { byId, element } from './elements.js'

const SHOWN = 8000
const MOST = 4

/** Tells what came of an action: in a corner of the page, and to screen readers. */
export class Announcer {
  private readonly list = byId('announcements')

  done(text: string): void {
    this.show(text, 'done')
  }

  failed(text: string): void {
    this.show(text, 'failed')
  }

  private show(text: string, kind: 'done' | 'failed'): void {
    const entry = element('p', { class: kind }, text)
    this.list.append(entry)
    while (this.list.childElementCount > MOST) this.list.firstElementChild?.remove()
    setTimeout(() => entry.remove(), SHOWN)
  }
}
