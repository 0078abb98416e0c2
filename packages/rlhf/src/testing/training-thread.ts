/** One thread of a training, see `groups.test.ts`: posts what it has trained. */
import { parentPort } from 'node:worker_threads'
import { referenceDevice } from '@tesserae/tensor'
import { threadGroup } from '@tesserae/tensor/node'
import { beginTraining, finishTraining, valuesOf, type GroupTrainer } from './group-training.js'

const { group, data } = threadGroup<{ readonly trainer: GroupTrainer }>()
using run = await beginTraining(data.trainer, { group, start: 1 + group.rank, device: referenceDevice() })
await finishTraining(run)
parentPort?.postMessage(await valuesOf(run.weights))
await group.close()
