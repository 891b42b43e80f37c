import { element, setText } from './elements.js'
import { HISTORY_SECONDS, type History } from './history.js'
import uPlot from './uplot.js'

export interface Series {
  /** In the samples of the history. */
  name: string
  label: string
  /** The custom property of the style that has its colour. */
  color: string
}

export interface ChartOptions {
  title: string
  series: readonly Series[]
  format: (value: number | null | undefined) => string
  /** The least that the scale goes up to. */
  least: number
}

const HEIGHT = 170
const SHORTEST_SECONDS = 60

/** A chart over the last minutes, with a legend that tells the figures in text: the last ones, or those below the pointer. */
export class Chart {
  private readonly options: ChartOptions
  private readonly values: HTMLElement[] = []
  private readonly holder = element('div', { class: 'plot' })
  private readonly plot: uPlot
  private data: uPlot.AlignedData = [[]]

  constructor(options: ChartOptions, place: HTMLElement) {
    this.options = options
    const { title, series } = options
    const legend = element('dl', { class: 'legend' }, ...series.map((one) => this.legendEntry(one)))
    this.holder.setAttribute('role', 'img')
    this.holder.setAttribute('aria-label', `${title}, last ${HISTORY_SECONDS / 60} minutes`)
    place.append(element('figure', { class: 'card' }, element('figcaption', {}, title), legend, this.holder))
    this.plot = new uPlot(this.plotOptions(), [[], ...series.map(() => [])], this.holder)
    new ResizeObserver(() => this.resize()).observe(this.holder)
  }

  show(history: History): void {
    this.data = history.columns(this.options.series.map(({ name }) => name))
    this.plot.setData(this.data)
    this.showFigures()
  }

  /** After a change of the colours. */
  redraw(): void {
    this.plot.redraw(false)
  }

  private legendEntry({ label, color, name }: Series): HTMLElement {
    const value = element('dd', { 'data-series': name }, '–')
    this.values.push(value)
    const swatch = element('span', { class: `swatch ${color}`, 'aria-hidden': 'true' })
    return element('div', {}, element('dt', {}, swatch, label), value)
  }

  private showFigures(): void {
    const [times, ...columns] = this.data
    const at = this.plot.cursor.idx ?? times.length - 1
    for (const [index, value] of this.values.entries()) setText(value, this.options.format(columns[index]?.[at]))
  }

  private resize(): void {
    const width = Math.floor(this.holder.clientWidth)
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT })
  }

  private plotOptions(): uPlot.Options {
    const { format, least, series } = this.options
    const axis = {
      stroke: () => styleValue('--quiet'),
      grid: { stroke: () => styleValue('--edge'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif',
    }
    return {
      width: 300,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { range: timeRange }, y: { range: (_plot, _low, high) => [0, Math.max(least, (high ?? 0) * 1.1)] } },
      axes: [
        { ...axis, size: 22, space: 80, values: (_plot, times) => times.map(clockTime) },
        {
          ...axis,
          size: 58,
          space: 34,
          values: (_plot, values) => values.map((value) => format(value).replace('.0', '')),
        },
      ],
      series: [
        {},
        ...series.map(({ color }) => ({ stroke: () => styleValue(`--${color}`), width: 2, points: { show: false } })),
      ],
      hooks: { setCursor: [() => this.showFigures()] },
    }
  }
}

/** Up to the last sample; a page that was opened a moment ago shows less, so that one sees something. */
function timeRange(plot: uPlot): [number, number] {
  const times = plot.data[0]
  const last = times.at(-1) ?? Date.now() / 1000
  const span = Math.min(HISTORY_SECONDS, Math.max(SHORTEST_SECONDS, last - (times[0] ?? last)))
  return [last - span, last]
}

function clockTime(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString('en-GB')
}

function styleValue(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}
