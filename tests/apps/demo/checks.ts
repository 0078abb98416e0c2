/** Each room of the demo used once, as a visitor would. A check throws when something is wrong and returns what it saw. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { listen, visit, type Site } from './site.js'

export const roomNames = ['tokenizer', 'train', 'chat', 'align', 'documents'] as const

export interface DemoCheck {
  readonly name: string
  run(site: Site): Promise<string>
}

const axeSource = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')

/** What axe-core finds on a page, one line each. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axeSource)
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[] }> }
    }
    return (await axe.run()).violations
  })
  return found.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary = '' }) => `${id}: ${help}: ${html.slice(0, 160)} ${failureSummary}`),
  )
}

const open = async (page: Page, room: string): Promise<void> => {
  await page.goto(`/#/${room}`)
  await page.getByRole('heading', { level: 1 }).waitFor()
  await page.locator('.columns').waitFor()
}

const text = async (page: Page, id: string): Promise<string> => ((await page.getByTestId(id).textContent()) ?? '').trim()
const number = async (page: Page, id: string): Promise<number> => Number.parseFloat((await text(page, id)).replaceAll(',', ''))

async function until(what: string, timeoutMs: number, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`after ${timeoutMs / 1000} s still not: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const quiet = (messages: readonly string[]): void => assert.deepEqual(messages, [], 'the console should stay empty')

async function looks(site: Site): Promise<string> {
  let count = 0
  for (const width of [1440, 375]) {
    for (const theme of ['light', 'dark'] as const) {
      const { context, page, messages } = await visit(site, { width, theme })
      for (const room of roomNames) {
        await open(page, room)
        await page.getByTestId('device').getByText('CPU').waitFor({ timeout: 60_000 })
        if (room === 'chat') await page.getByTestId('bars').waitFor({ timeout: 60_000 })
        assert.deepEqual(await violations(page), [], `axe, ${room}, ${width} px, ${theme}`)
        const wide = await page.evaluate(() => document.documentElement.scrollWidth)
        assert.ok(wide <= width, `${room} is ${wide} px wide in a window of ${width}`)
        await page.screenshot({ path: join(site.screenshots, `${room}-${width}-${theme}.png`), fullPage: true })
        count++
      }
      quiet(messages)
      await context.close()
    }
  }
  return `${count} views without findings`
}

async function tokenizer(site: Site): Promise<string> {
  const { context, page, messages } = await visit(site)
  await open(page, 'tokenizer')
  const input = page.getByLabel('Text to tokenize')
  await input.fill('The whale, the whale! 鯨')
  const tokens = page.getByTestId('tokens').getByRole('button')
  await until('bytes of a character that no token covers', 20_000, async () => (await tokens.last().textContent())?.trim() === 'a8')
  const before = await tokens.count()
  await tokens.first().focus()
  await page.keyboard.press('End')
  assert.match(await text(page, 'token-detail'), /Byte\s*a8$/, 'the byte of the token that has the focus')
  await input.fill('ping pong ping pong '.repeat(30))
  await until('the new text in the old vocabulary', 10_000, async () => (await tokens.count()) > 180)
  const untrained = await tokens.count()
  await page.getByRole('button', { name: 'Train vocabulary' }).click()
  await page.getByText(/tokens in \d+ ms/).waitFor({ timeout: 20_000 })
  await until('longer pieces by a vocabulary that knows the text', 10_000, async () => (await tokens.count()) < untrained / 1.5)
  const trained = await tokens.count()
  quiet(messages)
  await context.close()
  return `${before} tokens for a sentence; 600 characters take ${untrained}, after training on them ${trained}`
}

async function training(site: Site): Promise<string> {
  const { context, page, messages } = await visit(site)
  await open(page, 'train')
  await page.getByRole('button', { name: 'Start training' }).click()
  await until('40 steps', 120_000, async () => (await number(page, 'step')) >= 40)
  const first = await firstLoss(page)
  const then = await number(page, 'loss')
  assert.ok(then < first, `the loss fell: ${first} at the first step, ${then} now`)
  assert.deepEqual(await violations(page), [], 'axe while training')
  // A tab that is closed in the middle of it.
  await page.close()
  const again = await context.newPage()
  const later: string[] = []
  listen(again, later)
  await open(again, 'train')
  await again.getByTestId('resumed').waitFor({ timeout: 60_000 })
  const resumedAt = Number(/step (\d+)/.exec(await text(again, 'resumed'))![1])
  assert.ok(resumedAt > 0, `resumed at step ${resumedAt}`)
  await until('steps beyond the saved one', 60_000, async () => (await number(again, 'step')) > resumedAt + 3)
  await until('a sample', 60_000, async () => (await again.getByTestId('samples').count()) > 0)
  await again.getByRole('button', { name: 'Pause' }).click()
  await again.getByRole('button', { name: 'Resume' }).waitFor({ timeout: 30_000 })
  const [download] = await Promise.all([
    again.waitForEvent('download'),
    again.getByRole('button', { name: 'Download safetensors' }).click(),
  ])
  const header = readFileSync((await download.path())!)
  assert.match(header.subarray(8, 8 + Number(header.readBigUInt64LE(0))).toString(), /"embedding.weight":\{"dtype":"F32"/)
  await again.screenshot({ path: join(site.screenshots, 'train-used.png'), fullPage: true })
  await again.getByRole('button', { name: 'Discard run' }).click()
  await again.getByText('No run yet.').waitFor()
  quiet([...messages, ...later])
  await context.close()
  return `loss ${first.toFixed(2)} → ${then.toFixed(2)}; closed, then resumed from step ${resumedAt}`
}

/** The loss of step 1, as the chart's own description has it. */
async function firstLoss(page: Page): Promise<number> {
  const label = (await page.locator('figure svg').getAttribute('aria-label')) ?? ''
  return Number(/loss: ([\d.]+) at step 1,/.exec(label)?.[1])
}

async function chat(site: Site): Promise<string> {
  const { context, page, messages } = await visit(site)
  await open(page, 'chat')
  await page.getByTestId('bars').waitFor({ timeout: 60_000 })
  const before = await text(page, 'bars')
  await page.getByLabel('Temperature').fill('1.6')
  await until('bars that follow the temperature', 20_000, async () => (await text(page, 'bars')) !== before)
  await page.getByLabel('Temperature').fill('0.5')
  await page.getByRole('textbox', { name: 'Message' }).fill('Who is Captain Ahab?')
  await page.keyboard.press('Enter')
  await page.getByTestId('answer-end').waitFor({ timeout: 60_000 })
  const answer = await text(page, 'answer')
  assert.ok(answer.split(' ').length >= 2, `an answer of some words: ${answer}`)
  await page.getByTestId('answer').getByRole('button').first().hover()
  await page.getByText(/was drawn, which the model gave/).waitFor()
  assert.deepEqual(await violations(page), [], 'axe with an answer')
  await page.screenshot({ path: join(site.screenshots, 'chat-used.png'), fullPage: true })
  quiet(messages)
  await context.close()
  return answer
}

async function align(site: Site): Promise<string> {
  const { context, page, messages } = await visit(site)
  await open(page, 'align')
  const ranked = () => number(page, 'rankings')
  const answers = page.locator('button.answer')
  await answers.first().waitFor({ timeout: 60_000 })
  await answers.last().click()
  await until('a ranking by mouse', 10_000, async () => (await ranked()) === 1)
  await answers.first().waitFor({ timeout: 60_000 })
  await answers.first().focus()
  await page.keyboard.press('1')
  await until('a ranking by key', 10_000, async () => (await ranked()) === 2)
  await answers.first().waitFor({ timeout: 60_000 })
  await answers.first().focus()
  await page.keyboard.press('u')
  await until('one undone', 10_000, async () => (await ranked()) === 1)
  await page.getByRole('button', { name: 'Let the rule rank' }).click()
  await page.getByText(/\d+ pairs ranked by the rule/).waitFor({ timeout: 120_000 })
  assert.ok((await ranked()) > 4, `rankings by the rule: ${await text(page, 'ruling')}`)
  // Fewer and longer steps than the room proposes: what is looked at is that they do what they say.
  await page.getByLabel('Steps').fill('10')
  await page.getByLabel('Learning rate').fill('6')
  await page.getByRole('button', { name: /^Train on/ }).click()
  await page.getByTestId('outcome').waitFor({ timeout: 180_000 })
  const margin = await number(page, 'margin')
  assert.ok(margin > 0.05, `the margin of chosen over rejected grew to ${margin}`)
  assert.equal(await page.getByTestId('samples').locator('tbody tr').count(), 4)
  assert.deepEqual(await violations(page), [], 'axe with a trained model')
  await page.screenshot({ path: join(site.screenshots, 'align-used.png'), fullPage: true })
  quiet(messages)
  const learned = await text(page, 'outcome')
  await context.close()
  return `margin ${margin}; ${learned}`
}

async function documents(site: Site): Promise<string> {
  const { context, page, messages } = await visit(site)
  await open(page, 'documents')
  await page
    .getByTestId('indexed')
    .getByText(/files in \d+ chunks/)
    .waitFor({ timeout: 60_000 })
  const samples = await text(page, 'indexed')
  const whales =
    '# Whales\n\nWhales are mammals. The sperm whale dives deeper than a thousand metres.\n\n## Food\n\nBlue whales eat krill.\n'
  await page.getByLabel('Markdown or text').setInputFiles([
    { name: 'whales.md', mimeType: 'text/markdown', buffer: Buffer.from(whales) },
    { name: 'ships.txt', mimeType: 'text/plain', buffer: Buffer.from('The Pequod sailed from Nantucket. Her captain was Ahab.\n') },
    { name: 'picture.txt', mimeType: 'text/plain', buffer: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0xff]) },
  ])
  await page.getByText('picture.txt is not text').waitFor()
  await page
    .getByTestId('indexed')
    .getByText(/^\s*2 files/)
    .waitFor({ timeout: 20_000 })
  await page.getByLabel('Question').fill('What do blue whales eat?')
  await page.keyboard.press('Enter')
  await page.getByTestId('cited-answer').getByText('Blue whales eat krill.').waitFor({ timeout: 20_000 })
  await page.getByRole('button', { name: 'Source 1: whales.md' }).click()
  assert.equal((await text(page, 'mark')).replaceAll(/\s+/g, ' '), 'Blue whales eat krill.', 'the words that are marked in the source')
  assert.deepEqual(await violations(page), [], 'axe with an answer')
  await page.screenshot({ path: join(site.screenshots, 'documents-used.png'), fullPage: true })
  await page.getByLabel('Question').fill('Who painted the ceiling of the Sistine Chapel?')
  await page.keyboard.press('Enter')
  await page.getByText('Not found in the documents').waitFor({ timeout: 20_000 })
  quiet(messages)
  await context.close()
  return `${samples}; an answer from a dropped file, its words marked; an abstention`
}

async function withoutHeaders(site: Site): Promise<string> {
  const { context, page, messages } = await visit(site, { plain: true, width: 375 })
  await open(page, 'tokenizer')
  await page.getByTestId('device').getByText('single-threaded').waitFor({ timeout: 60_000 })
  await page.getByText('does not send the headers').waitFor()
  await open(page, 'train')
  await page.getByRole('button', { name: 'Start training' }).click()
  await until('5 steps', 120_000, async () => (await number(page, 'step')) >= 5)
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('button', { name: 'Resume' }).waitFor({ timeout: 30_000 })
  quiet(messages)
  await context.close()
  return 'says single-threaded, and trains'
}

export const demoChecks: readonly DemoCheck[] = [
  { name: 'every room at 375 and 1440 px, light and dark: no console message, axe clean, nothing overflows', run: looks },
  { name: 'Tokenizer: tokens, bytes, a vocabulary trained on the text', run: tokenizer },
  { name: 'Train: the loss falls, a closed tab resumes, the checkpoint downloads', run: training },
  { name: 'Chat: an answer streams, with its distributions', run: chat },
  { name: 'Align: ranked by mouse, by key and by a rule; DPO raises the margin', run: align },
  { name: 'Documents: dropped files answer, with the cited words marked', run: documents },
  { name: 'without COOP and COEP: single-threaded, said and working', run: withoutHeaders },
]
