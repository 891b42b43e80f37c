import { byId, element } from './elements.js'
import type { Control } from './setting-value.js'

export interface Question {
  title: string
  /** What will happen. */
  text: string
  /** What the button says that does it. */
  action: string
  /** Whether it takes something away. Default false. */
  dangerous?: boolean
}

export interface Field {
  label: string
  control: Control
  value: string
  help: string
}

type Input = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

/** The one dialog of the page: asks before anything is changed. Escape and "Cancel" are a no. */
export class ConfirmDialog {
  private readonly dialog = byId<HTMLDialogElement>('confirm')
  private readonly form = byId<HTMLFormElement>('confirm-form')
  private readonly fields = byId('confirm-field')
  private readonly action = byId<HTMLButtonElement>('confirm-action')
  private answer: (agreed: boolean) => void = () => {}

  constructor() {
    byId('confirm-cancel').addEventListener('click', () => this.dialog.close())
    /* The event comes late: the next question may be open already. */
    this.dialog.addEventListener('close', () => {
      if (!this.dialog.open) this.answer(false)
    })
    this.form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.answer(true)
      this.dialog.close()
    })
  }

  /** @returns whether the answer was yes. */
  async ask(question: Question): Promise<boolean> {
    this.fields.replaceChildren()
    return this.open(question, byId('confirm-cancel'))
  }

  /** @returns what was typed in; `undefined`: the answer was no. */
  async askFor(question: Question, field: Field): Promise<string | undefined> {
    const input = inputFor(field)
    const help = element('p', { id: 'confirm-help', class: 'quiet' }, field.help)
    this.fields.replaceChildren(element('label', { for: 'confirm-input' }, field.label), input, help)
    return (await this.open(question, input)) ? input.value : undefined
  }

  private open({ title, text, action, dangerous = false }: Question, focused: HTMLElement): Promise<boolean> {
    byId('confirm-title').textContent = title
    byId('confirm-text').textContent = text
    this.action.textContent = action
    this.action.className = dangerous ? 'danger solid' : 'solid'
    this.answer(false)
    const agreed = new Promise<boolean>((resolve) => {
      this.answer = resolve
    })
    this.dialog.showModal()
    focused.focus()
    return agreed
  }
}

function inputFor({ control, value }: Field): Input {
  const common = { id: 'confirm-input', 'aria-describedby': 'confirm-help', autocomplete: 'off', spellcheck: 'false' }
  const input = control === 'choice' ? choice(common) : element(control === 'lines' ? 'textarea' : 'input', common)
  if (control === 'number') input.setAttribute('inputmode', 'decimal')
  input.value = value
  return input
}

function choice(attributes: Record<string, string>): HTMLSelectElement {
  const options = ['true', 'false'].map((value) => element('option', { value }, value === 'true' ? 'yes' : 'no'))
  return element('select', attributes, ...options)
}
