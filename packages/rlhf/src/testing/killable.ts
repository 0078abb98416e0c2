/**
 * A training process that may be killed at any moment: it goes on from the checkpoint in its folder, saves after every step and says so, and ends with a
 * digest of the state. Run by tests and by the acceptance rows: `tsx killable.ts TRAINER FOLDER STEPS`.
 */
import { createHash } from 'node:crypto'
import { resolveDevice, flattenTree, type Tensor } from '@tesserae/tensor'
import { preferences, conversations, template, tinyConfig, tinyPolicy, tinyTokenizer } from '../__fixtures__/tiny.js'
import { preparePreferences, prepareSft } from '../data/prepare.js'
import { renderPrompt, stopToken } from '../data/template.js'
import { hasTrainer, loadTrainer, saveTrainer, type TrainerName, type TrainerStates } from '../run/node/checkpoint.js'
import { dpo } from '../trainers/dpo.js'
import { ppo } from '../trainers/ppo.js'
import { trainReward } from '../trainers/reward.js'
import { sft } from '../trainers/sft.js'

interface Killable<State> extends AsyncIterable<{ readonly index: number }> {
  state(): State
}

const [trainer, folder, stepsText] = process.argv.slice(2) as [TrainerName, string, string]
const steps = Number(stepsText)
const device = await resolveDevice('cpu')
const tokenizer = await tinyTokenizer()
const config = tinyConfig(tokenizer)
const common = { steps, rows: 4, learningRate: 1e-3, seed: 'killable', device }
const prepared = { tokenizer, template, maxLength: config.context }

const start: { readonly [Name in TrainerName]: (state: TrainerStates[Name] | undefined) => Killable<TrainerStates[Name]> } = {
  sft: (state) => sft({ ...common, ...from(state), data: prepareSft(conversations, prepared) }),
  reward: (state) => trainReward({ ...common, ...from(state), data: preparePreferences(preferences, prepared) }),
  dpo: (state) => dpo({ ...common, ...from(state), data: preparePreferences(preferences, prepared) }),
  ppo: (state) =>
    ppo({
      ...common,
      ...from(state),
      rows: 8,
      maxTokens: 6,
      kl: { target: 1, horizon: 100 },
      epochs: 2,
      minibatches: 2,
      stop: [stopToken(prepared)],
      prompts: preferences.map(({ prompt }) => renderPrompt([{ role: 'user', content: String(prompt) }], prepared)),
      // Any fixed rule does: what matters is that the same samples come again.
      reward: ({ completion }) => completion.filter((id) => id % 2 === 0).length / completion.length,
    }),
}

const from = <State>(state: State | undefined) => (state === undefined ? { policy: tinyPolicy(config) } : { state })

async function main<Name extends TrainerName>(name: Name): Promise<void> {
  const run = start[name]((await hasTrainer(folder)) ? await loadTrainer(folder, name) : undefined)
  process.stdout.write('begun\n')
  for await (const { index } of run) {
    await saveTrainer(folder, { trainer: name, state: run.state() })
    process.stdout.write(`step ${index}\n`)
  }
  process.stdout.write(`digest ${await digest(run.state())}\n`)
}

/** Of every tensor's bytes and every number of the state. */
async function digest(state: object): Promise<string> {
  const hash = createHash('sha256')
  for (const [path, leaf] of flattenTree<unknown>(state as never)) {
    hash.update(path)
    if (typeof leaf === 'object' && leaf !== null) hash.update(await (leaf as Tensor).bytes())
    else hash.update(String(leaf))
  }
  return hash.digest('hex')
}

await main(trainer)
process.exit(0)
