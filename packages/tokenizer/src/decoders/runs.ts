import type { DecoderRun } from '../pipeline/components.js'

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
  const pass = (forms: readonly string[], from: number): readonly string[] => {
    let passing = forms
    for (let i = from; i < runs.length && passing.length > 0; i++) {
      const run = runs[i]!
      passing = passing.length === 1 ? run.push(passing[0]!) : passing.flatMap((form) => run.push(form))
    }
    return passing
  }
  return {
    push: (form) => pass([form], 0),
    end() {
      const rest: string[] = []
      for (const [i, run] of runs.entries()) rest.push(...pass(run.end(), i + 1))
      return rest
    },
  }
}
