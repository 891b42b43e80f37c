import { catalogue } from './shop-catalogue.js'

const products = catalogue
  .map(
    ({ sku, name, price }) => `
      <li><span class="name">${name}</span><span class="price">${(price / 100).toFixed(2)}</span>
        <button type="button" data-add="${sku}" aria-label="Add ${name} to the cart">Add</button></li>`,
  )
  .join('')

const server = (name: string): string => `
        <section class="box" data-process="${name}" aria-label="Server ${name}">
          <h3><span class="dot"></span>server ${name}</h3>
          <p class="facts">…</p>
          <p class="badge" hidden>your session</p>
          <p class="dashboard" hidden><a target="_blank" rel="noopener noreferrer">Dashboard<span class="sr"> of server ${name}</span></a></p>
          <div class="row">
            <button type="button" class="danger" data-action="kill">kill -9</button>
            <button type="button" class="orderly" data-action="restart">restart</button>
            <button type="button" class="good" data-action="revive">revive</button>
          </div>
        </section>`

const node = (name: string): string => `
        <section class="box" data-process="${name}" aria-label="Storage node ${name}">
          <h3><span class="dot"></span>node ${name}</h3>
          <p class="facts">…</p>
          <p class="badge" hidden>your backup</p>
          <div class="row">
            <button type="button" class="danger" data-action="kill">kill -9</button>
            <button type="button" class="good" data-action="revive">revive</button>
          </div>
        </section>`

/** The body of the page: the shop on one side, a picture of the cluster and its log on the other. */
export const pageMarkup = `
<header>
  <h1>Holdfast</h1>
  <p>A shop on two servers and two storage nodes. Fill the cart, then kill what holds it.</p>
</header>
<main>
  <div class="column">
    <section class="card" aria-labelledby="shop-title">
      <h2 id="shop-title">Shop</h2>
      <ul class="products">${products}
      </ul>
    </section>
    <section class="card" aria-labelledby="cart-title">
      <h2 id="cart-title">Your cart <span id="cart-count"></span></h2>
      <ul id="cart" class="cart"></ul>
      <p id="cart-empty" class="quiet">Nothing in it, so there is no session yet.</p>
      <p id="cart-total" class="total" hidden></p>
      <div class="row">
        <button type="button" id="again">Ask for it again</button>
        <button type="button" id="leave">New visitor</button>
      </div>
      <p id="notice" class="notice" role="status" hidden></p>
    </section>
  </div>
  <div class="column">
    <section class="card cluster" aria-labelledby="cluster-title">
      <h2 id="cluster-title">The cluster</h2>
      <p id="where" class="where" aria-live="polite">…</p>
      <div class="picture">
        <section class="box narrow" aria-label="Balancer">
          <h3><span class="dot up"></span>balancer</h3>
          <p class="facts" id="balancer-facts">…</p>
        </section>
        <svg class="lines" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
          <path data-line="a" d="M50 0 C50 18 25 12 25 30"/><path data-line="b" d="M50 0 C50 18 75 12 75 30"/>
        </svg>
        <div class="pair">${server('a')}${server('b')}
        </div>
        <svg class="lines" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
          <path data-line="a-n1" d="M25 0 L25 30"/><path data-line="a-n2" d="M25 0 C25 18 75 12 75 30"/>
          <path data-line="b-n1" d="M75 0 C75 18 25 12 25 30"/><path data-line="b-n2" d="M75 0 L75 30"/>
        </svg>
        <div class="pair">${node('n1')}${node('n2')}
        </div>
      </div>
    </section>
    <section class="card" aria-labelledby="log-title">
      <h2 id="log-title">What happens</h2>
      <ol id="log" class="log" tabindex="0" aria-label="Events, newest first"></ol>
    </section>
  </div>
</main>
`
