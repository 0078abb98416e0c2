import { attention, cache, nextLogits } from './model-calls.js'
import { lossCurves, preferenceSteps } from './alignment-calls.js'
import { trainingSample, trainingStart, trainingSteps } from './training-calls.js'

/** Everything that a page can ask of its worker. */
export const calls = { attention, cache, nextLogits, trainingStart, trainingSteps, trainingSample, lossCurves, preferenceSteps }

export type LabCalls = typeof calls
