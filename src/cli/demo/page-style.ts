export const pageStyle = `
:root {
  --page: #f4f5f2; --card: #ffffff; --ink: #1d2422; --quiet: #5d6965; --edge: #d9dedb; --field: #f7f8f6;
  --accent: #0b7a66; --accent-soft: #dff3ee; --bad: #b3261e; --bad-soft: #fbe6e4; --good: #1e7d34; --busy: #a86a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #121615; --card: #1b2120; --ink: #e8eeeb; --quiet: #9aa8a3; --edge: #323b38; --field: #222a28;
    --accent: #4fd1b5; --accent-soft: #163a33; --bad: #ff8a80; --bad-soft: #42201e; --good: #6fd089; --busy: #f0b452;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.45 system-ui, "Segoe UI", sans-serif; }
header, main { max-width: 1080px; margin: 0 auto; padding: 0 16px; }
header { padding-top: 20px; padding-bottom: 4px; }
h1 { margin: 0; font-size: 26px; letter-spacing: -.02em; }
header p { margin: 2px 0 12px; color: var(--quiet); }
h2 { margin: 0 0 10px; font-size: 16px; }
h3 { margin: 0; font-size: 14px; display: flex; align-items: center; gap: 7px; }
main { display: grid; grid-template-columns: minmax(260px, 5fr) minmax(0, 8fr); gap: 16px; padding-bottom: 32px; }
.column { display: flex; flex-direction: column; gap: 16px; min-width: 0; }
.card { background: var(--card); border: 1px solid var(--edge); border-radius: 12px; padding: 16px; min-width: 0; }
button { font: inherit; font-size: 13px; padding: 5px 10px; border-radius: 7px; border: 1px solid var(--edge);
  background: var(--field); color: var(--ink); cursor: pointer; }
button:hover:not(:disabled) { border-color: var(--accent); }
button:focus-visible, a:focus-visible, .log:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
button:disabled { opacity: .4; cursor: default; }
button.danger { color: var(--bad); }
button.good { color: var(--good); }
.box:not(.dead) .good, .dead .danger, .dead .orderly { display: none; }
.row { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 10px; }
.quiet { color: var(--quiet); margin: 0; }
ul, ol { list-style: none; margin: 0; padding: 0; }
.products li, .cart li { display: flex; align-items: center; gap: 10px; padding: 6px 0; }
.products li + li, .cart li + li { border-top: 1px solid var(--edge); }
.products .name, .cart .name { flex: 1; min-width: 0; }
.price { font-variant-numeric: tabular-nums; color: var(--quiet); }
.products button { color: var(--accent); font-weight: 600; }
.total { margin: 8px 0 0; padding-top: 8px; border-top: 2px solid var(--edge); text-align: right; font-weight: 600; }
.notice { margin: 10px 0 0; padding: 8px 10px; border-radius: 8px; background: var(--bad-soft); color: var(--bad); }
.where { margin: 0 0 14px; padding: 8px 12px; border-radius: 8px; background: var(--accent-soft); }
.where b { color: var(--accent); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }
.box { border: 1.5px solid var(--edge); border-radius: 10px; padding: 10px 12px; background: var(--field); min-width: 0;
  transition: border-color .2s, box-shadow .2s; }
.box.narrow { width: 56%; min-width: 190px; margin: 0 auto; text-align: center; }
.box.narrow h3 { justify-content: center; }
.box.mine { border-color: var(--accent); box-shadow: 0 0 0 3px var(--accent-soft); }
.box.dead { border-style: dashed; border-color: var(--bad); background: var(--bad-soft); }
.facts { margin: 3px 0 0; color: var(--quiet); font-size: 12.5px; overflow-wrap: anywhere; min-height: 3em; }
.narrow .facts { min-height: 0; }
.dashboard { margin: 6px 0 0; font-size: 13px; }
.dashboard a { color: var(--accent); }
.dead .dashboard { visibility: hidden; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.badge { display: inline-block; margin: 6px 0 0; padding: 1px 8px; border-radius: 99px; font-size: 12px; font-weight: 600;
  background: var(--accent); color: var(--card); }
.dead .badge { background: var(--bad); }
.dot { width: 9px; height: 9px; border-radius: 50%; background: var(--busy); flex: none; }
.dot.up { background: var(--good); }
.dot.down { background: var(--bad); }
.lines { display: block; width: 100%; height: 34px; overflow: visible; }
.lines path { fill: none; stroke: var(--edge); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.lines path.mine { stroke: var(--accent); stroke-width: 3.5; }
.log { font: 12.5px/1.6 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; max-height: 260px; overflow-y: auto;
  border-radius: 6px; }
.log li { display: grid; grid-template-columns: 64px 64px 92px 1fr; gap: 8px; padding: 1px 4px; }
.log li:nth-child(odd) { background: var(--field); }
.log time { color: var(--quiet); }
.log .what { font-weight: 600; }
.log .bad { color: var(--bad); }
.log .fine { color: var(--good); }
.log .detail { color: var(--quiet); overflow-wrap: anywhere; }
@media (max-width: 760px) {
  main { grid-template-columns: minmax(0, 1fr); padding: 0 10px 24px; gap: 10px; }
  header { padding-left: 12px; padding-right: 12px; }
  .card { padding: 12px; }
  .column { display: contents; }
  .cluster { order: -1; }
  .pair { gap: 8px; }
  .box { padding: 8px 9px; }
  .log li { grid-template-columns: 62px 66px 1fr; row-gap: 0; }
  .log .detail { grid-column: 2 / -1; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
`
