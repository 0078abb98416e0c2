import { script } from './script.js'
import { style } from './style.js'

/** The ranking screen: one page that loads nothing from elsewhere. `nonce` is the one that the response's policy allows. */
export const rankingPage = ({ nonce }: { readonly nonce: string }): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Rank answers</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${style}</style>
</head>
<body>
<header>
  <div class="bar">
    <h1>Which answer is best?</h1>
    <p id="who"></p>
  </div>
  <progress id="progress" value="0" max="1" aria-label="Items decided"></progress>
</header>
<main>
  <p id="message" role="status" aria-live="polite"></p>
  <section id="task" hidden>
    <h2 id="prompt-title">Prompt</h2>
    <div id="prompt" class="text" tabindex="-1"></div>
    <h2 id="answers-title">Answers</h2>
    <div id="answers"></div>
  </section>
  <section id="end" hidden>
    <h2>All decided</h2>
    <p>Every item has your decision. They are kept in the file of rankings.</p>
    <p><a id="export" download="preferences.jsonl">Download the preference rows</a></p>
    <dl id="statistics"></dl>
  </section>
</main>
<footer>
  <div class="keys">
    <button id="order" aria-pressed="false"><kbd>O</kbd> Full order</button>
    <button id="save" hidden><kbd>Enter</kbd> Save order</button>
    <button id="tie"><kbd>T</kbd> Tie</button>
    <button id="bad"><kbd>B</kbd> <span id="bad-label">Both bad</span></button>
    <button id="skip"><kbd>S</kbd> Skip</button>
    <button id="undo"><kbd>U</kbd> Undo</button>
  </div>
  <p class="hint"><kbd>1</kbd>–<kbd id="last-key">2</kbd> chooses an answer</p>
</footer>
<script nonce="${nonce}">${script}</script>
</body>
</html>
`
