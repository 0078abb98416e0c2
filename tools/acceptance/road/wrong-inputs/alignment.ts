// Malformed rows, and rewards that fail in the ways in which rewards fail.
import { parseRankings, parseRows, ppo, type Reward } from '@tesserae/rlhf'
import { initWeights, llama } from '@tesserae/transformer'
import type { WrongInput } from './case.js'

const good = JSON.stringify({
  messages: [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Hello!' },
  ],
})
const rows = (title: string, line: string, says: RegExp): WrongInput => ({
  title: `rows: ${title} in line 3`,
  code: 'ROW',
  says: new RegExp(`line 3\\b.*${says.source}`, 's'),
  attempt: () => parseRows([good, '', line].join('\n'), 'sft'),
})

const config = llama({ vocabSize: 13, width: 16, layers: 1, heads: 2, context: 16 })

/** A run with a reward that fails in its second step, and what is left of it. */
function failing(title: string, says: RegExp, fail: () => ReturnType<Extract<Reward, (...args: never[]) => unknown>>): WrongInput {
  let broken = true
  let step = 0
  const run = ppo({
    policy: { config, weights: initWeights(config, { seed: 1 }) },
    reward: ({ index, completion }) => (broken && step === 1 && index === 2 ? fail() : completion.length),
    deadline: 200,
    prompts: [
      [1, 2],
      [3, 4],
    ],
    steps: 3,
    rows: 4,
    minibatches: 2,
    maxTokens: 4,
    seed: 1,
  })
  return {
    title: `PPO: a reward that ${title}`,
    code: 'REWARD',
    says: new RegExp(`sample 2\\b.*${says.source}`, 's'),
    async attempt() {
      for await (const { index } of run) step = index
    },
    async damage() {
      broken = false
      if (run.step !== 1) return `the run stands at step ${run.step}, not 1`
      for await (const { index } of run) step = index
      run.dispose()
      return step === 3 ? undefined : `the run went on to step ${step}, not 3`
    },
  }
}

export const alignmentCases: readonly WrongInput[] = [
  rows('half a line', good.slice(0, 30), /not JSON/),
  rows('no messages', '{"text": "Hello"}', /expected/),
  rows('a role that there is not', good.replace('assistant', 'bot'), /role "bot"/),
  rows('nothing of the assistant', good.replace('assistant', 'user'), /no message of the assistant/),
  {
    title: 'rankings: an answer that there is not in line 2',
    code: 'ROW',
    says: /line 2: choice/,
    attempt() {
      const row = { type: 'ranking', id: 'a', prompt: 'p', completions: ['x', 'y'], order: [0, 1], annotator: 'ada', time: 't', seed: 1 }
      parseRankings([0, 2].map((best) => JSON.stringify({ ...row, choice: { kind: 'best', best } })).join('\n'))
    },
  },
  failing('returns NaN', /NaN/, () => NaN),
  failing('throws', /threw: out of paper/, () => {
    throw new Error('out of paper')
  }),
  failing('hangs', /did not answer within 200 ms/, () => new Promise(() => {})),
]
