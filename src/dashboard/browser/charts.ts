import { Chart } from './chart.js'
import { byId } from './elements.js'
import { formatCount, formatDuration, formatRate } from './format.js'
import type { History } from './history.js'

/** The charts of the page. */
export class Charts {
  private readonly charts: readonly Chart[]

  constructor() {
    const place = byId('charts')
    this.charts = [
      new Chart(
        {
          title: 'Requests by kind, a second',
          least: 2,
          format: formatRate,
          series: [
            { name: 'localHits', label: 'Local hit', color: 'line-1' },
            { name: 'fromStorage', label: 'Asked the storage', color: 'line-2' },
            { name: 'noSession', label: 'No session', color: 'line-5' },
            { name: 'takeovers', label: 'Takeover', color: 'line-3' },
            { name: 'relocations', label: 'Relocation', color: 'line-4' },
          ],
        },
        place,
      ),
      new Chart(
        {
          title: 'Lock waits and conflicts, a second',
          least: 2,
          format: formatRate,
          series: [
            { name: 'lockWaits', label: 'Waited for a lock', color: 'line-1' },
            { name: 'lockTimeouts', label: 'Waited in vain', color: 'line-4' },
            { name: 'conflicts', label: 'Conflict', color: 'line-3' },
          ],
        },
        place,
      ),
      new Chart(
        {
          title: 'Write-behind: sessions to be stored',
          least: 5,
          format: (value) => formatCount(value ?? undefined),
          series: [
            { name: 'pending', label: 'Waiting', color: 'line-1' },
            { name: 'unprotected', label: 'Without a backup', color: 'line-4' },
          ],
        },
        place,
      ),
      new Chart(
        {
          title: 'Write-behind: age of the oldest change',
          least: 100,
          format: formatDuration,
          series: [{ name: 'oldestAge', label: 'Oldest', color: 'line-1' }],
        },
        place,
      ),
    ]
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      for (const chart of this.charts) chart.redraw()
    })
  }

  show(history: History): void {
    for (const chart of this.charts) chart.show(history)
  }
}
