import { join } from 'node:path'
import { hasTrainer, loadTrainer, saveTrainer, type TrainerName, type TrainerStates } from '@tesserae/rlhf/node'
import type { StageContext } from './stage.js'

/** The state that an interrupted run of this stage kept, to go on from bit for bit; undefined when it begins. */
export async function keptState<Name extends TrainerName>(
  { interrupted, ui }: StageContext,
  trainer: Name,
): Promise<TrainerStates[Name] | undefined> {
  const folder = join(interrupted ?? '', 'checkpoint')
  if (interrupted === undefined || !(await hasTrainer(folder))) return undefined
  const state = await loadTrainer(folder, trainer)
  ui.line(`   goes on at step ${state.step}`)
  return state
}

/** Runs a trainer to its end. When the signal stops it, its state is kept. */
export async function runKeeping<Name extends TrainerName, Step>(
  trainer: Name,
  run: AsyncIterable<Step> & { readonly step: number; state(): TrainerStates[Name] },
  { signal, keep, ui }: StageContext,
  onStep: (step: Step) => void,
): Promise<void> {
  try {
    for await (const step of run) onStep(step)
  } catch (error) {
    if (signal.aborted) {
      const kept = await keep()
      await saveTrainer(join(kept, 'checkpoint'), { trainer, state: run.state() })
      ui.line(`   interrupted at step ${run.step}; the checkpoint is in ${kept}`)
    }
    throw error
  }
}
