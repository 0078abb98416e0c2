/** Runs in the page. Answers become elements by name from the list below and text nodes, nothing else: no HTML is ever parsed. */
export const script = String.raw`
'use strict'
const token = new URLSearchParams(location.search).get('token') ?? ''
const at = (id) => document.getElementById(id)
let state = null
let busy = false
let order = null // places in the order chosen so far, while a full order is made

const make = (tag, ...children) => {
  const element = document.createElement(tag)
  element.append(...children)
  return element
}
const inline = (pieces) => pieces.map((piece) => (typeof piece === 'string' ? piece : make({ strong: 'strong', em: 'em', code: 'code' }[piece.kind] ?? 'span', piece.text)))
const blocks = (list) =>
  list.map((block) => {
    if (block.kind === 'code') {
      const pre = make('pre', make('code', block.text))
      pre.tabIndex = 0 // a wide line scrolls by keyboard too
      return pre
    }
    if (block.kind === 'list') return make(block.ordered ? 'ol' : 'ul', ...block.items.map((item) => make('li', ...inline(item))))
    return make(block.kind === 'heading' ? 'h3' : 'p', ...inline(block.content))
  })

const say = (text, failed = false) => {
  at('message').textContent = text
  at('message').classList.toggle('error', failed)
}

async function call(path, body) {
  if (busy) return
  busy = true
  try {
    const response = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: 'Bearer ' + token, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const value = await response.json()
    if (!response.ok) {
      if (value.state) show(value.state)
      say(value.error, true)
      return
    }
    return value
  } catch {
    say('The server does not answer. Nothing was kept; start it again and reload this page.', true)
  } finally {
    busy = false
  }
}

function show(next) {
  state = next
  order = null
  const { task, done, total, annotator } = state
  at('who').textContent = annotator + ' · ' + done + ' of ' + total
  at('progress').max = total || 1
  at('progress').value = done
  at('task').hidden = !task
  at('end').hidden = !!task
  for (const id of ['tie', 'bad', 'skip']) at(id).disabled = !task
  at('undo').disabled = !state.canUndo
  if (task) {
    const many = task.answers.length > 2
    at('order').hidden = !many
    at('bad-label').textContent = many ? 'All bad' : 'Both bad'
    at('last-key').textContent = String(Math.min(9, task.answers.length))
    at('prompt').replaceChildren(...blocks(task.prompt))
    at('answers').replaceChildren(...task.answers.map(card))
  } else {
    at('order').hidden = true
    void showEnd()
  }
  showOrder()
}

function card(answer, place) {
  const text = make('div', ...blocks(answer))
  text.className = 'text'
  const button = make('button', make('kbd', String(place + 1)), ' ', make('span', 'Best'))
  const article = make('article', text, button)
  article.className = 'answer'
  article.setAttribute('aria-label', 'Answer ' + (place + 1))
  article.addEventListener('click', () => {
    if (String(getSelection()) === '') choose(place) // selecting text to copy it is no decision
  })
  return article
}

function showOrder() {
  at('order').setAttribute('aria-pressed', String(order !== null))
  at('save').hidden = order === null
  const count = state.task ? state.task.answers.length : 0
  at('save').disabled = order === null || order.length < count
  for (const [place, article] of [...at('answers').children].entries()) {
    const rank = order ? order.indexOf(place) : -1
    const button = article.querySelector('button')
    article.classList.toggle('placed', rank >= 0)
    const label = order === null ? 'Best' : rank < 0 ? 'Next' : 'Rank ' + (rank + 1)
    button.lastChild.textContent = label
  }
}

function choose(place) {
  if (!state.task || place >= state.task.answers.length) return
  if (order === null) return void decide({ kind: 'best', best: place }, 'Answer ' + (place + 1) + ' was best.')
  order = order.includes(place) ? order.filter((one) => one !== place) : [...order, place]
  showOrder()
  say(order.length === state.task.answers.length ? 'Enter saves this order.' : 'Best first: ' + order.map((one) => one + 1).join(', '))
}

async function decide(choice, said) {
  if (!state.task) return
  const next = await call('rank', { id: state.task.id, choice })
  if (next === undefined) return
  show(next)
  say(said + ' U takes it back.')
  at('prompt').focus({ preventScroll: true })
  scrollTo(0, 0)
}

async function undo() {
  if (!state.canUndo) return
  const next = await call('undo', {})
  if (next === undefined) return
  show(next)
  say('Your last decision was taken back.')
}

function toggleOrder() {
  if (at('order').hidden) return
  order = order === null ? [] : null
  showOrder()
  say(order === null ? '' : 'Choose the best, then the next, down to the last.')
}

function save() {
  if (order !== null && order.length === state.task.answers.length) void decide({ kind: 'order', ranking: order }, 'The order was kept.')
}

async function showEnd() {
  at('export').href = 'preferences.jsonl?token=' + encodeURIComponent(token)
  const all = await call('statistics')
  if (all === undefined) return
  const percent = (share) => Math.round(share * 100) + ' %'
  const rows = []
  if (all.position.rankings > 0) rows.push(['Best answer by place', all.position.chosen.map((count, place) => place + 1 + ': ' + count).join(', ')])
  if (all.length.pairs > 0)
    rows.push(['Longer answer preferred', percent(all.length.longerPreferred) + ' of ' + all.length.pairs + ' pairs (95 % interval ' + all.length.interval.map(percent).join(' to ') + ')'])
  for (const { annotators, items, kappa } of all.agreement)
    if (items > 0) rows.push(['Agreement of ' + annotators.join(' and '), 'κ ' + (kappa === null ? 'not defined' : kappa.toFixed(2)) + ' on ' + items + ' items'])
  at('statistics').replaceChildren(...rows.flatMap(([name, value]) => [make('dt', name), make('dd', value)]))
}

const actions = {
  t: () => decide({ kind: 'tie' }, 'A tie.'),
  b: () => decide({ kind: 'bad' }, 'All were bad.'),
  s: () => decide({ kind: 'skip' }, 'Skipped.'),
  u: undo,
  o: toggleOrder,
}
for (const [id, key] of [['tie', 't'], ['bad', 'b'], ['skip', 's'], ['undo', 'u'], ['order', 'o']]) at(id).addEventListener('click', () => actions[key]())
at('save').addEventListener('click', save)
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || state === null) return
  const key = event.key.toLowerCase()
  if (/^[1-9]$/.test(key)) choose(Number(key) - 1)
  else if (Object.hasOwn(actions, key)) actions[key]()
  else if (key === 'enter' && order !== null && document.activeElement?.tagName !== 'BUTTON') save()
  else if (key === 'escape' && order !== null) toggleOrder()
  else return
  event.preventDefault()
})
call('state').then((first) => first && show(first))
`
