// Bar of the quickstart: the whole road after installation, timed, and what its stages say of themselves.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atLeast, atMost, row, type RowSource } from '../../lib/row.js'

const root = join(import.meta.dirname, '../../../..')
const minutes = 8
/** Nats an answer. Beyond it the model speaks no longer as it was taught to. */
const boundedKl = 25

const source: RowSource = async ({ log }) => {
  const out = mkdtempSync(join(tmpdir(), 'tesserae-quickstart-'))
  const run = (): number => {
    const start = performance.now()
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'tools/quickstart/launch.mjs'), '--out', out], {
      encoding: 'utf8',
      cwd: root,
    })
    if (status !== 0) throw new Error(`the quickstart ended with exit code ${status}: ${stderr.slice(-500)}`)
    for (const line of stdout.split('\n')) log(line)
    return (performance.now() - start) / 1000
  }
  try {
    const first = run()
    const again = run()
    const figures = (stage: string): Readonly<Record<string, number>> =>
      (JSON.parse(readFileSync(join(out, stage, 'stage.json'), 'utf8')) as { figures: Record<string, number> }).figures
    const falls = (what: string, { lossBefore, lossAfter }: Readonly<Record<string, number>>) =>
      row(what, 'falls', `${lossBefore!.toFixed(3)} → ${lossAfter!.toFixed(3)}`, lossAfter! < lossBefore!)
    const { accuracyBefore, accuracyAfter, heldOut } = figures('reward')
    const { rewardBefore, rewardAfter, largestKl, kl } = figures('ppo')
    const { citations, abstained } = figures('answer')
    return [
      atMost('quickstart: the whole road after installation', first / 60, minutes, { unit: 'min' }),
      atMost('quickstart: again, with everything reused', again, 30, { unit: 's', digits: 1 }),
      falls('quickstart: validation loss of pre-training', figures('pretrain')),
      falls('quickstart: loss on held-out conversations', figures('sft')),
      atLeast('quickstart: share of held-out pairs that the reward model orders right', accuracyAfter!, 0.65, {
        note: `${accuracyBefore!.toFixed(2)} before training; ${heldOut} pairs`,
      }),
      row(
        'quickstart: mean reward on held-out questions, PPO',
        'rises',
        `${rewardBefore!.toFixed(2)} → ${rewardAfter!.toFixed(2)}`,
        rewardAfter! > rewardBefore!,
      ),
      atMost('quickstart: largest KL of a step of PPO', largestKl!, boundedKl, { unit: 'nats', note: `${kl!.toFixed(2)} at the end` }),
      row('quickstart: citations in the answer from documents', '≥ 1, not abstained', `${citations}`, citations! >= 1 && abstained === 0),
    ]
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}
export default source
