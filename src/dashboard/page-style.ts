/** The look of the dashboard. Colours of text and lines have a contrast of at least 4.5 and 3 to what they stand on. */
export const pageStyle = `
:root {
  --page: #f5f6f4; --card: #ffffff; --ink: #1c2422; --quiet: #5b6763; --edge: #dbe0dd; --field: #f7f8f6;
  --accent: #0b6e5d; --accent-ink: #ffffff; --bad: #b3261e; --bad-soft: #fbe7e5; --good: #1d7a33; --busy: #8f5a00;
  --busy-soft: #fbf0da;
  --line-1: #0b7a66; --line-2: #2f6fb5; --line-3: #8f5a00; --line-4: #b3261e; --line-5: #75807c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #111514; --card: #1a201f; --ink: #e7edea; --quiet: #9daaa5; --edge: #303937; --field: #212927;
    --accent: #55cfb5; --accent-ink: #0d1c18; --bad: #ff8f86; --bad-soft: #40211f; --good: #73d08c; --busy: #efb95d;
    --busy-soft: #3a2f18;
    --line-1: #4fd1b5; --line-2: #7db4f0; --line-3: #efb95d; --line-4: #ff8f86; --line-5: #93a09b;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.45 system-ui, "Segoe UI", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
dd, h1, h3, code, .value, .address, .wrap, .quiet, dialog p, #announcements p { overflow-wrap: anywhere; }
header, main { max-width: 1180px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 20px; display: flex; flex-wrap: wrap; gap: 8px 32px; align-items: baseline; justify-content: space-between; }
main { padding-bottom: 96px; outline: none; }
.title { display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: center; }
h1 { margin: 0; font-size: 22px; letter-spacing: -.01em; }
#route { color: var(--accent); }
h2 { margin: 28px 0 10px; font-size: 15px; font-weight: 600; }
h2 small { font-weight: 400; }
h3 { margin: 0; font-size: 15px; }
p { margin: 0; }
dl, dd, ul { margin: 0; padding: 0; list-style: none; }
.quiet, dt, small { color: var(--quiet); }
small, .quiet { font-size: 13px; }
.bad { color: var(--bad) !important; }
.card { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; padding: 14px 16px; min-width: 0; }
.pill { padding: 1px 10px; border: 1px solid var(--edge); border-radius: 99px; font-size: 13px; color: var(--quiet); }
.pill[data-state=live] { color: var(--good); border-color: currentColor; }
.pill[data-state=broken], .pill[data-state=login] { color: var(--bad); border-color: currentColor; }
.server { display: flex; flex-wrap: wrap; gap: 4px 24px; font-size: 14px; }
.server div { display: flex; gap: 8px; }
.banner { max-width: 1140px; margin: 14px auto 0; padding: 10px 14px; border-radius: 8px; background: var(--bad-soft);
  color: var(--bad); font-weight: 600; }
.banner.soft { background: var(--busy-soft); color: var(--busy); font-weight: 400; }
.stale #content { opacity: .55; }
.skip { position: absolute; left: -9999px; }
.skip:focus { left: 12px; top: 8px; padding: 6px 12px; background: var(--card); z-index: 2; }

button, input, select, textarea { font: inherit; color: inherit; border-radius: 7px; border: 1px solid var(--edge); }
button { font-size: 14px; padding: 5px 12px; background: var(--field); cursor: pointer; white-space: nowrap; flex: none; }
button:hover:not(:disabled) { border-color: var(--accent); }
button:disabled { opacity: .45; cursor: default; }
button.danger { color: var(--bad); }
button.solid { background: var(--accent); border-color: var(--accent); color: var(--accent-ink); font-weight: 600; }
button.solid.danger { background: var(--bad); border-color: var(--bad); color: var(--card); }
button.link { padding: 0 2px; border: 0; background: none; color: var(--accent); text-decoration: underline; font-family: ui-monospace, monospace; }
input, select, textarea { background: var(--field); padding: 5px 10px; min-width: 0; border-color: var(--quiet); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.buttons { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.buttons.end { justify-content: flex-end; margin-top: 18px; }
code { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }

.tiles { margin-top: 20px; display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 12px; }
.tile { padding: 12px 14px; }
.tile dt { font-size: 13px; }
.tile dd { display: flex; flex-direction: column; }
.tile dd span { font-size: 26px; line-height: 1.3; font-weight: 600; letter-spacing: -.01em; }
.tile small { min-height: 1.45em; }

.nodes { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 370px), 1fr)); gap: 12px; }
.figures { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 6px 12px; }
.figures dt { font-size: 13px; }
.figures dd { font-weight: 600; }
.node { border-left: 4px solid var(--quiet); display: flex; flex-direction: column; gap: 8px; }
.node h3 { display: flex; justify-content: space-between; gap: 10px; align-items: baseline; }
.state { font-size: 13px; font-weight: 600; color: var(--quiet); }
.node[data-state=up] { border-left-color: var(--good); }
.node[data-state=up] .state { color: var(--good); }
.node[data-state=suspect], .node[data-state=read-only], .node[data-draining=true] { border-left-color: var(--busy); }
.node[data-state=suspect] .state, .node[data-state=read-only] .state, .node[data-draining=true] .state { color: var(--busy); }
.node[data-state=down] { border-color: var(--bad); background: var(--bad-soft); }
.node[data-state=down] .state { color: var(--bad); }
.node .address { margin-top: -8px; }
.node .problem { overflow-wrap: anywhere; }
.node .buttons { margin-top: auto; }
.node .buttons:not(:has(button:not([hidden]))) { display: none; }
.rows div { display: flex; justify-content: space-between; gap: 16px; padding: 2px 0; font-size: 14px; }
.rows dd { text-align: right; }

.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 12px; }
figure { margin: 0; display: flex; flex-direction: column; }
figcaption { font-weight: 600; font-size: 14px; margin-bottom: 6px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13px; margin-bottom: 8px; }
.legend div { display: flex; gap: 6px; align-items: center; }
.legend dt { display: flex; gap: 6px; align-items: center; }
.legend dd { font-weight: 600; min-width: 2.2em; }
.swatch { width: 12px; height: 3px; border-radius: 2px; flex: none; }
.line-1 { background: var(--line-1); } .line-2 { background: var(--line-2); } .line-3 { background: var(--line-3); }
.line-4 { background: var(--line-4); } .line-5 { background: var(--line-5); }
.plot { min-height: 170px; overflow: hidden; margin: auto -8px 0; }

.toolbar, #find-form, #login-form { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.toolbar { justify-content: space-between; }
#find-form { flex: 0 1 26em; min-width: 0; flex-wrap: nowrap; }
#handle { flex: 1 1 6em; width: 6em; }
#login { max-width: 460px; margin: 32px auto; }
#login h2 { margin-top: 0; }
#login-form { margin-bottom: 8px; }
#token { flex: 1 1 12em; }
.session { margin-top: 16px; padding-top: 14px; border-top: 1px solid var(--edge); outline: none; }
.session .rows { max-width: 560px; margin: 8px 0 12px; }
#session > p { margin-top: 12px; }
#session-list:not(:empty) { margin-top: 16px; padding-top: 14px; border-top: 1px solid var(--edge); }
.scroller { overflow-x: auto; margin-bottom: 10px; }
.scroller td, .scroller th { white-space: nowrap; }
table { border-collapse: collapse; font-size: 14px; margin-bottom: 12px; width: 100%; }
th { text-align: left; font-weight: 400; color: var(--quiet); }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--edge); vertical-align: baseline; }
td:last-child, th:last-child { padding-right: 0; }
.session table { width: auto; min-width: min(100%, 560px); }
.number { text-align: right; padding-right: 28px; }

.settings { padding: 2px 16px; }
.settings li { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 3fr) auto; gap: 4px 16px; align-items: center; padding: 9px 0; }
.settings li + li { border-top: 1px solid var(--edge); }
.settings strong { font-weight: 600; font-size: 14px; }

dialog { border: 1px solid var(--edge); border-radius: 12px; background: var(--card); color: var(--ink); padding: 20px 22px;
  width: min(460px, calc(100vw - 24px)); }
dialog::backdrop { background: rgb(0 0 0 / .45); }
dialog h2 { margin: 0 0 8px; font-size: 17px; }
#confirm-field:not(:empty) { margin-top: 14px; display: grid; gap: 6px; }
#confirm-field label { font-weight: 600; font-size: 14px; }
#announcements { position: fixed; right: 16px; bottom: 16px; display: grid; gap: 8px; width: min(400px, calc(100vw - 32px)); z-index: 3; }
#announcements p { background: var(--card); border: 1px solid var(--edge); border-left: 4px solid var(--good); border-radius: 8px;
  padding: 10px 14px; box-shadow: 0 4px 18px rgb(0 0 0 / .15); }
#announcements .failed { border-left-color: var(--bad); }

@media (max-width: 960px) { .tiles { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
@media (max-width: 720px) {
  header, main { padding-left: 12px; padding-right: 12px; }
  .banner { margin-left: 12px; margin-right: 12px; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px; }
  .charts { grid-template-columns: minmax(0, 1fr); }
  .card { padding: 12px; }
  .figures { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .settings li { grid-template-columns: minmax(0, 1fr) auto; }
  .settings li > div { grid-column: 1 / -1; }
}
`
