import type { Actions } from './actions.js'
import { byId, setText } from './elements.js'
import { NodeCard } from './node-card.js'
import { type Snapshot, textIn } from './snapshot.js'

/** The storage nodes. Cards stay while their node does, so that the focus is not lost at each poll. */
export class Nodes {
  private readonly actions: Actions
  private readonly cards = new Map<string, NodeCard>()
  private readonly list = byId('nodes')

  constructor(actions: Actions) {
    this.actions = actions
  }

  show({ nodes, at }: Snapshot): void {
    const names = new Set(nodes.map(({ mbean }) => mbean))
    for (const [mbean, card] of this.cards) {
      if (names.has(mbean)) continue
      card.root.remove()
      this.cards.delete(mbean)
    }
    for (const { mbean, values } of nodes) this.card(mbean).show(values, at)
    const down = nodes.filter(({ values }) => textIn(values, 'State') === 'down').length
    setText(byId('nodes-state'), down === 0 ? '' : `${down} of ${nodes.length} down`)
  }

  private card(mbean: string): NodeCard {
    const known = this.cards.get(mbean)
    if (known !== undefined) return known
    const card = new NodeCard(mbean, this.actions)
    this.cards.set(mbean, card)
    this.list.append(card.root)
    return card
  }
}
