import type { Actions } from './actions.js'
import { button, element, setText } from './elements.js'
import { formatBytes, formatCount, formatDuration, formatRate, unknown } from './format.js'
import { numberIn, textIn, type Values } from './snapshot.js'

const figures = ['Sessions', 'Latency', '95 %', 'Operations/s', 'Errors', 'Memory', 'Evictions'] as const
type Figure = (typeof figures)[number]

/** One storage node: its state, its figures, and what can be done with it. */
export class NodeCard {
  readonly root: HTMLElement
  private readonly mbean: string
  private readonly actions: Actions
  private readonly id = element('span')
  private readonly state = element('span', { class: 'state' })
  private readonly address = element('p', { class: 'quiet address' })
  private readonly problem = element('p', { class: 'problem' })
  private readonly values: Record<Figure, HTMLElement>
  private readonly drain = button('Drain', () => void this.askToDrain())
  private readonly undrain = button('Undrain', () => void this.askToUndrain())
  private readonly probe = button('Probe', () => void this.probeNow())
  private last: { values: Values; at: number } | undefined

  constructor(mbean: string, actions: Actions) {
    this.mbean = mbean
    this.actions = actions
    this.values = Object.fromEntries(figures.map((name) => [name, element('dd', {}, unknown)])) as Record<
      Figure,
      HTMLElement
    >
    const rows = figures.map((name) => element('div', {}, element('dt', {}, name), this.values[name]))
    this.root = element(
      'li',
      { class: 'card node' },
      element('h3', {}, this.id, this.state),
      this.address,
      this.problem,
      element('dl', { class: 'figures' }, ...rows),
      element('div', { class: 'buttons' }, this.drain, this.undrain, this.probe),
    )
  }

  show(values: Values, at: number): void {
    const state = textIn(values, 'State') ?? 'unknown'
    const draining = values.Draining === true
    setText(this.id, this.name(values))
    setText(this.address, textIn(values, 'Address') ?? '')
    this.root.dataset.state = state
    this.root.dataset.draining = String(draining)
    setText(this.state, stateText(state, draining, numberIn(values, 'DownFor')))
    const problem = state === 'up' ? '' : (textIn(values, 'LastError') ?? '')
    setText(this.problem, problem)
    this.problem.hidden = problem === ''
    this.showFigures(values, at)
    this.showButtons(draining)
    this.last = { values, at }
  }

  private showFigures(values: Values, at: number): void {
    setText(this.values.Sessions, formatCount(numberIn(values, 'Sessions')))
    setText(this.values.Latency, formatDuration(numberIn(values, 'LatencyAverage')))
    setText(this.values['95 %'], formatDuration(numberIn(values, 'LatencyP95')))
    setText(this.values['Operations/s'], formatRate(this.operationRate(values, at)))
    setText(this.values.Errors, formatCount(numberIn(values, 'Errors')))
    setText(this.values.Memory, memoryText(told(values, 'MemoryUsed'), told(values, 'MemoryLimit')))
    setText(this.values.Evictions, formatCount(told(values, 'Evictions')))
  }

  private operationRate(values: Values, at: number): number | undefined {
    const [now, before] = [numberIn(values, 'Operations'), numberIn(this.last?.values, 'Operations')]
    const seconds = (at - (this.last?.at ?? at)) / 1000
    return now === undefined || before === undefined || seconds <= 0 ? undefined : Math.max(0, now - before) / seconds
  }

  private showButtons(draining: boolean): void {
    const hadFocus = document.activeElement === this.drain || document.activeElement === this.undrain
    this.drain.hidden = draining || !this.actions.can('drain', this.mbean)
    this.undrain.hidden = !draining || !this.actions.can('undrain', this.mbean)
    this.probe.hidden = !this.actions.can('probe', this.mbean)
    /* The one that was pressed has gone: its counterpart stands in its place. */
    if (hadFocus) (draining ? this.undrain : this.drain).focus()
  }

  private async askToDrain(): Promise<void> {
    const node = this.name(this.last?.values)
    const question = {
      title: `Drain node ${node}?`,
      text: 'This server’s sessions leave it, and no new ones come until it is undrained. Other servers have to be told, too.',
      action: 'Drain',
    }
    await this.actions.confirmed(question, { mbean: this.mbean, name: 'drain' }, () => `Node ${node} is being drained.`)
  }

  private async askToUndrain(): Promise<void> {
    const node = this.name(this.last?.values)
    const question = { title: `Use node ${node} again?`, text: 'It gets sessions again.', action: 'Undrain' }
    await this.actions.confirmed(
      question,
      { mbean: this.mbean, name: 'undrain' },
      () => `Node ${node} is in use again.`,
    )
  }

  private async probeNow(): Promise<void> {
    const operation = { mbean: this.mbean, name: 'probe' }
    await this.actions.done(operation, (value) => `Node ${this.name(this.last?.values)} is ${value}.`)
  }

  private name(values: Values | undefined): string {
    const id = textIn(values, 'Id')
    return id === undefined || id === '' ? this.mbean.replace(/^.*id=/, '') : id
  }
}

function stateText(state: string, draining: boolean, downFor: number | undefined): string {
  const since = state === 'down' && downFor !== undefined && downFor > 0 ? ` for ${formatDuration(downFor)}` : ''
  return `${state}${since}${draining ? ', draining' : ''}`
}

/* What the server does not tell is -1. */
function told(values: Values, name: string): number | undefined {
  const value = numberIn(values, name)
  return value === undefined || value < 0 ? undefined : value
}

function memoryText(used: number | undefined, limit: number | undefined): string {
  if (used === undefined || limit === undefined || limit === 0) return formatBytes(used)
  return `${formatBytes(used)} of ${formatBytes(limit)}`
}
