import { existsSync } from 'node:fs'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { throwIfAborted } from '@tesserae/core'
import {
  lengthBias,
  parseRankingItems,
  positionBias,
  rankingStore,
  standingRankings,
  toPreferences,
  type RankingItem,
  type RankingLine,
} from '@tesserae/rlhf'
import { readRankings, serveRanking, writeJsonl } from '@tesserae/rlhf/node'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { answersTo, conversations, firstQuestions } from '../chat.js'
import { preferred, rule, seaWords } from '../rule.js'
import type { Stage, StageContext } from '../stage.js'
import { progressBar } from '../terminal.js'
import { loadTokenizer } from './tokenizer.js'

/** Samples answers and has them ranked: by a stated rule, or with --rank by you, in the browser. */
export const rankStage: Stage = {
  name: 'rank',
  title: 'Rankings: which answers people prefer',
  code: 'examples/quickstart/src/stages/rank.ts',
  needs: ['tokenizer', 'sft'],
  inputs: ({ sizes, seed, rank, annotator }) => ({
    ...sizes.rank,
    tokens: sizes.answerTokens,
    seed,
    by: rank ? annotator : rule,
  }),
  keepsWork: ({ rank }) => rank,
  async run(context) {
    const { options, ui, folder, interrupted } = context
    const known = interrupted === undefined ? undefined : join(interrupted, 'items.jsonl')
    const items =
      known !== undefined && existsSync(known) ? parseRankingItems(await readFile(known, 'utf8'), { name: known }) : await sampled(context)
    ui.status('')
    const path = join(folder, 'rankings.jsonl')
    const rows = options.rank ? await byHand(items, path, context) : byRule(items, options.seed)
    if (!options.rank) await writeJsonl(path, rows)
    const pairs = toPreferences(rows)
    if (pairs.length < 10)
      throw new Error(
        `${pairs.length} preferences came out of ${standingRankings(rows).length} rankings; the reward model needs at least 10`,
      )
    await writeJsonl(join(folder, 'items.jsonl'), items)
    await writeJsonl(join(folder, 'preferences.jsonl'), pairs)
    const places = positionBias(rows)
    const { longerPreferred } = lengthBias(rows)
    const sea = items.flatMap(({ completions }) => completions.map(seaWords))
    const meanSea = sea.reduce((sum, count) => sum + count, 0) / sea.length
    const example = pairs[0]!
    return {
      figures: { rankings: standingRankings(rows).length, pairs: pairs.length, longerPreferred, seaWordsPerAnswer: meanSea },
      lines: [
        options.rank ? `ranked by ${options.annotator}` : `a rule stands in for people: ${rule}`,
        `${standingRankings(rows).length} rankings of ${options.sizes.rank.answers} answers → ${pairs.length} preferences; the longer answer preferred in ${(100 * longerPreferred).toFixed(0)} %; best by place ${places.chosen.join(', ')}`,
        `“${example.prompt}”: “${example.chosen}” over “${example.rejected}”`,
      ],
    }
  },
}

/** Answers of the fine-tuned model to what it was trained on, the same ones left out. */
async function sampled({ options, ui, signal, from }: StageContext): Promise<RankingItem[]> {
  const { prompts, answers, byHand: shown } = options.sizes.rank
  const tokenizer = await loadTokenizer(from('tokenizer'))
  const model = await loadCheckpoint(from('sft'))
  const { train } = await conversations(options)
  const questions = firstQuestions(train).slice(0, options.rank ? shown : prompts)
  const each = questions.flatMap((question) => Array.from({ length: answers }, () => question))
  const total = each.length * options.sizes.answerTokens
  const texts = await answersTo(each, model, {
    tokenizer,
    maxTokens: options.sizes.answerTokens,
    temperature: 1.15, // above 1, for a model that knows its answers by heart gives four alike
    seed: `${options.seed}/rank`,
    signal,
    onProgress: (tokens) => ui.status(`   ${progressBar(tokens, total)}  answers to rank`),
  })
  return questions.flatMap((prompt, index) => {
    const completions = [...new Set(texts.slice(index * answers, (index + 1) * answers))].filter((text) => text !== '')
    return completions.length < 2 ? [] : [{ id: `q${index}`, prompt, completions }]
  })
}

/** The rule's rankings, made through the same store as a person's. */
function byRule(items: readonly RankingItem[], seed: number): RankingLine[] {
  // Rankings that come out the same every time carry the same time.
  const store = rankingStore({ items, annotator: 'rule', seed, now: () => new Date(0).toISOString() })
  const rows: RankingLine[] = []
  for (let task = store.next(); task !== undefined; task = store.next()) {
    const row = store.rank(task.item.id, preferred(task.item.completions))
    store.apply(row)
    rows.push(row)
  }
  return rows
}

/** Opens the ranking screen until everything is decided. What was decided outlives an interruption. */
async function byHand(
  items: readonly RankingItem[],
  path: string,
  { options, ui, signal, keep }: StageContext,
): Promise<readonly RankingLine[]> {
  const kept = await keep()
  await writeJsonl(join(kept, 'items.jsonl'), items)
  const work = join(kept, 'rankings.jsonl')
  await using server = await serveRanking({ items, path: work, annotator: options.annotator, seed: options.seed })
  ui.line(`   rank ${items.length} prompts at ${server.url}`)
  ui.line(`   Ctrl-C keeps what you decided in ${work}; the same command goes on from there`)
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    void server.finished.then(resolve)
  })
  throwIfAborted(signal, 'Ranking')
  await copyFile(work, path)
  return await readRankings(path)
}
