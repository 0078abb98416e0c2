/**
 * Training checkpoints: a folder with `training.json`, which says where training was, and beside it one safetensors file with weights
 * and moments, named after the step. The JSON names the file and is replaced last, so a crash at any moment leaves the
 * earlier checkpoint or the new one, never half of each.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openSafetensorsPath, saveSafetensors } from '@tesserae/tensor/node'
import { checkConfig } from '../../architectures/config.js'
import { makeFolder, readText, writeText } from '../../checkpoints/node/files.js'
import { entriesOf, parseRecord, readRecords } from '../../checkpoints/record.js'
import { TransformerError } from '../../errors.js'
import type { TrainingState } from '../run.js'

const format = 'tesserae-training'
const parts = ['weights', 'm', 'v'] as const
const fileOf = (step: number): string => `step-${step}.safetensors`

/**
 * Saves the state of a run, to go on from with `train({ state: await loadTraining(folder), … })`. Await it before the next step. Older checkpoints in
 * the folder are removed once this one is in place. Errors: CHECKPOINT; IO and ABORTED of the writer, and then the earlier checkpoint is untouched.
 */
export async function saveTraining(folder: string, state: TrainingState, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
  await makeFolder(folder)
  const { config, step, seed } = state
  const tensors = fileOf(step)
  await saveSafetensors(
    join(folder, tensors),
    parts.flatMap((part) => entriesOf(state[part], `${part}.`)),
    options,
  )
  await writeText(join(folder, 'training.json'), `${JSON.stringify({ format, version: 1, step, seed, tensors, config }, null, 2)}\n`)
  for (const name of await readdir(folder))
    if (/^step-\d+\.safetensors$/.test(name) && name !== tensors) await rm(join(folder, name), { force: true })
}

/** Loads what {@link saveTraining} saved. The caller, or the run that it is given to, owns its tensors. Errors: CHECKPOINT, CONFIG; FILE and IO of the reader. */
export async function loadTraining(folder: string): Promise<TrainingState> {
  const path = join(folder, 'training.json')
  const value = parseRecord(await readText(path), path)
  const fail = (what: string): never => {
    throw new TransformerError('CHECKPOINT', `${path}: ${what}; expected a checkpoint written by saveTraining`)
  }
  const { step, seed } = value
  if (value['format'] !== format || value['version'] !== 1)
    fail(`format ${JSON.stringify(value['format'])}, version ${JSON.stringify(value['version'])}`)
  if (!Number.isSafeInteger(step) || (step as number) < 0) fail(`step ${JSON.stringify(step)}`)
  if (typeof seed !== 'number' && typeof seed !== 'string') fail(`seed ${JSON.stringify(seed)}`)
  // The name is known beforehand: a path from the file could lead anywhere.
  if (value['tensors'] !== fileOf(step as number)) fail(`tensors ${JSON.stringify(value['tensors'])}`)
  if (typeof value['config'] !== 'object' || value['config'] === null) fail('no config')
  const config = checkConfig(value['config'] as Readonly<Record<string, unknown>>)
  const file = await openSafetensorsPath(join(folder, fileOf(step as number)))
  try {
    return { config, step: step as number, seed: seed as number | string, ...(await readRecords(file, config, folder, parts)) }
  } finally {
    await file.dispose()
  }
}
