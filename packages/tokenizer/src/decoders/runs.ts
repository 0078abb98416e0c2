import type { DecoderRun } from '../pipeline/components.js'
import { checkGrowth } from '../text/growth.js'

/** A run that rewrites every form by itself; `index` counts them. */
export function formByForm(rewrite: (form: string, index: number) => string): DecoderRun {
  let index = 0
  return { push: (form) => [rewrite(form, index++)], end: () => [] }
}

/** A run that can tell nothing before it has the whole form. */
export function wholeForm(rewrite: (form: string) => string): DecoderRun {
  let form = ''
  return {
    push(fragment) {
      form += fragment
      return []
    },
    end: () => [rewrite(form)],
  }
}

/** What comes out of the first run goes into the second, and so forth. */
export function chained(runs: readonly DecoderRun[]): DecoderRun {
  // What went in so far. A decoder that holds back may give much at once, so it is the whole that counts.
  let given = 0
  const pass = (forms: readonly string[], from: number): readonly string[] => {
    let passing = forms
    for (let i = from; i < runs.length && passing.length > 0; i++) {
      const run = runs[i]!
      passing = passing.length === 1 ? run.push(passing[0]!) : passing.flatMap((form) => run.push(form))
      let length = 0
      for (const form of passing) length += form.length
      checkGrowth('decoder', given, length)
    }
    return passing
  }
  return {
    push(form) {
      given += form.length
      return pass([form], 0)
    },
    end() {
      const rest: string[] = []
      for (const [i, run] of runs.entries()) rest.push(...pass(run.end(), i + 1))
      return rest
    },
  }
}
