import { computed, ref, shallowRef } from 'vue'
import { useTask } from '../../lib/use-task.js'
import { call } from '../../worker/client.js'
import type { TrainEvent, TrainSample, TrainSettings, TrainSummary } from '../../worker/train-calls.js'

/** The one training run of this page: its curve, its samples, and what can be done with it. */
export function useTraining() {
  const task = useTask()
  const summary = shallowRef<TrainSummary>()
  const losses = shallowRef<readonly (readonly [number, number])[]>([])
  const samples = shallowRef<readonly TrainSample[]>([])
  const step = ref(0)
  const rate = ref(0)
  const savedStep = ref(0)
  const stage = ref('')
  const elsewhere = ref(false)

  const show = (run: TrainSummary): void => {
    summary.value = run
    losses.value = run.losses
    samples.value = run.samples
    step.value = run.step
    savedStep.value = run.step
  }

  function onEvent(event: TrainEvent): void {
    switch (event.kind) {
      case 'stage':
        stage.value = event.text
        break
      case 'begun':
        show(event.summary)
        break
      case 'step':
        stage.value = ''
        step.value = event.step
        rate.value = event.tokensPerSecond
        losses.value = [...losses.value, [event.step, event.loss]]
        break
      case 'sample':
        samples.value = [...samples.value, { step: event.step, text: event.text }]
        break
      case 'saved':
        savedStep.value = event.step
        break
    }
  }

  const settle = async (work: (signal: AbortSignal) => Promise<TrainSummary>): Promise<void> => {
    await task.run(async (signal) => show(await work(signal)))
    stage.value = ''
  }

  return {
    task,
    summary,
    losses,
    samples,
    step,
    rate,
    savedStep,
    stage,
    elsewhere,
    finished: computed(() => summary.value !== undefined && !task.running.value && step.value >= summary.value.steps),
    paused: computed(() => summary.value !== undefined && !task.running.value && step.value < summary.value.steps),
    start: (input: TrainSettings & { readonly text: string }) => {
      losses.value = []
      samples.value = []
      return settle((signal) => call('train.start', input, { signal, onEvent }))
    },
    resume: () => settle((signal) => call('train.resume', {}, { signal, onEvent })),
    /** Shows what an earlier visit left; true when that visit ended in the middle of training, so that it should go on. */
    async restore(): Promise<boolean> {
      const found = await call('train.saved', {})
      elsewhere.value = found.elsewhere
      if (found.summary === undefined) return false
      show(found.summary)
      return found.summary.running && !found.elsewhere
    },
    async discard(): Promise<void> {
      await task.run(async () => {
        await call('train.discard', {})
        summary.value = undefined
        losses.value = []
        samples.value = []
        step.value = 0
      })
    },
  }
}
