/** Light and dark follow the system; text stays readable from 320 px on. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f4f5f2, #14181a);
  --card: light-dark(#ffffff, #1d2326);
  --ink: light-dark(#1b2326, #e8ecec);
  --soft: light-dark(#536066, #a3b0b4);
  --line: light-dark(#d5dad8, #343d41);
  --accent: light-dark(#0b6470, #62c6d3);
  --on-accent: light-dark(#ffffff, #08262b);
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body {
  margin: 0; min-height: 100vh; display: flex; flex-direction: column;
  background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', sans-serif;
}
header, main, footer { width: 100%; max-width: 72rem; margin-inline: auto; padding-inline: clamp(1rem, 3vw, 2rem); }
header { padding-top: 1.25rem; }
main { flex: 1; padding-bottom: 1.5rem; }
.bar { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline; gap: 0 1rem; }
h1 { font-size: 1.25rem; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 0.8125rem; font-weight: 600; color: var(--soft); margin: 1.25rem 0 0.4rem; }
.bar p { margin: 0; color: var(--soft); font-size: 0.875rem; font-variant-numeric: tabular-nums; }
progress { appearance: none; width: 100%; height: 0.375rem; margin-top: 0.75rem; border: 0; border-radius: 1rem; overflow: hidden; background: var(--line); display: block; }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--accent); border-radius: 1rem; }
progress::-moz-progress-bar { background: var(--accent); }
#message { margin: 0.75rem 0 0; min-height: 1.55em; color: var(--soft); font-size: 0.875rem; }
#message.error { color: light-dark(#a3200d, #ff9d8b); font-weight: 600; }
#prompt { padding: 0.9rem 1.1rem; border-left: 4px solid var(--accent); background: var(--card); border-radius: 0 0.5rem 0.5rem 0; font-size: 1.0625rem; }
#answers { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
.answer { display: flex; flex-direction: column; background: var(--card); border: 1px solid var(--line); border-radius: 0.75rem; cursor: pointer; transition: border-color 0.12s; }
.answer:hover, .answer:focus-within { border-color: var(--accent); }
.answer .text { flex: 1; padding: 1rem 1.1rem 0.5rem; }
.answer button { margin: 0.5rem 1.1rem 1.1rem; justify-content: center; }
.answer.placed { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
.text { overflow-wrap: anywhere; }
.text > * { margin: 0 0 0.6rem; }
.text > :last-child { margin-bottom: 0; }
.text p, .text h3 { white-space: pre-wrap; }
.text h3 { font-size: 1rem; }
.text ul, .text ol { padding-left: 1.4rem; }
.text code { font-family: ui-monospace, 'Cascadia Code', Menlo, monospace; font-size: 0.9em; background: var(--ground); padding: 0.1em 0.3em; border-radius: 0.25rem; }
.text pre { background: var(--ground); padding: 0.75rem; border-radius: 0.5rem; overflow-x: auto; }
.text pre code { padding: 0; }
footer { position: sticky; bottom: 0; display: flex; flex-wrap: wrap; justify-content: space-between; align-items: center; gap: 0.5rem 1rem; padding-block: 0.75rem; background: var(--ground); border-top: 1px solid var(--line); }
.keys { display: flex; flex-wrap: wrap; gap: 0.5rem; }
.hint { margin: 0; color: var(--soft); font-size: 0.875rem; }
button { font: inherit; font-size: 0.9375rem; color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.4rem 0.7rem; cursor: pointer; display: inline-flex; align-items: center; gap: 0.5rem; min-height: 2.5rem; }
button:hover:not(:disabled) { border-color: var(--accent); }
button:disabled { color: var(--soft); cursor: default; background: transparent; }
button[aria-pressed='true'] { background: var(--accent); color: var(--on-accent); border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
#prompt:focus { outline: none; }
kbd { font: 600 0.8125rem/1.4 ui-monospace, Menlo, monospace; border: 1px solid currentColor; border-radius: 0.25rem; padding: 0 0.35rem; }
a { color: var(--accent); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0.25rem 1rem; font-size: 0.9375rem; }
dt { color: var(--soft); }
dd { margin: 0; font-variant-numeric: tabular-nums; }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
@media (max-width: 32rem) { .hint { display: none; } .keys button { flex: 1 1 auto; justify-content: center; } }
`
