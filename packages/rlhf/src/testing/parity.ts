/**
 * The losses against figures that the reference libraries' own lines gave in double precision (TRL of July 2026, torch 1.13). Each group computes its
 * figures, and once more from a formula with one thing wrong in it: figures that cannot tell the two apart would prove nothing.
 */
import { adamw, clipFactor, cosineSchedule, globalNorm, loraConfig, withLora, type DecoderWeights } from '@tesserae/transformer'
import { adamwStep, realize, scalar, tensor, valueAndGrad, type Device, type Tensor } from '@tesserae/tensor'
import { gae, tokenRewards } from '../advantage/gae.js'
import { adaptKl } from '../advantage/kl-controller.js'
import { whiten } from '../advantage/whiten.js'
import { maskedMean, maskedVariance } from '../losses/aggregate.js'
import { bestOfLoss, bradleyTerryLoss } from '../losses/bradley-terry.js'
import { dpoLoss, type DpoLossOptions, type DpoLogprobs, type DpoVariant } from '../losses/dpo.js'
import { klEstimate } from '../losses/kl.js'
import { entropyOf, logprobsOf } from '../losses/logprobs.js'
import { ppoPolicyLoss, ppoValueLoss } from '../losses/ppo.js'
import { sftLoss } from '../losses/sft.js'

type Numbers = readonly number[] | readonly (readonly number[])[] | readonly (readonly (readonly number[])[])[]
// The file's groups differ in form; each reader below knows its own.
type Fixture = Readonly<Record<string, unknown>>

export interface ParityContext {
  /** The parsed fixture file. */
  readonly fixture: Readonly<Record<string, unknown>>
  /** f64 runs on the reference device alone. */
  readonly dtype: 'f64' | 'f32'
  readonly device: Device
}

/** Values that should agree. */
export interface ParityFigure {
  readonly name: string
  readonly found: readonly number[]
  readonly expected: readonly number[]
}

export interface ParityGroup {
  readonly name: string
  /** Largest {@link parityError} in each precision. */
  readonly tolerance: { readonly f64: number; readonly f32: number }
  /** What the mutated formula gets wrong, in words. */
  readonly mutation: string
  compute(context: ParityContext, options?: { readonly mutated?: boolean }): Promise<readonly ParityFigure[]>
}

/** Largest difference over the figures, each relative to its largest expected value. */
export function parityError(figures: readonly ParityFigure[]): { readonly error: number; readonly figure: string } {
  let worst = { error: 0, figure: 'none' }
  for (const { name, found, expected } of figures) {
    const scale = Math.max(...expected.map(Math.abs), Number.MIN_VALUE)
    const error = found.length === expected.length ? Math.max(...expected.map((value, i) => Math.abs(found[i]! - value))) / scale : Infinity
    if (!(error <= worst.error)) worst = { error: Number.isNaN(error) ? Infinity : error, figure: name }
  }
  return worst
}

/** The tools that groups compute with. */
class Bench {
  readonly wrong: boolean
  private readonly context: ParityContext
  private readonly pending: { readonly name: string; readonly found: Tensor | readonly number[]; readonly expected: readonly number[] }[] =
    []

  constructor(context: ParityContext, wrong: boolean) {
    this.context = context
    this.wrong = wrong
  }

  group(name: string): Fixture {
    return this.context.fixture[name] as Fixture
  }
  tensor(values: unknown): Tensor {
    return tensor(values as number[], { dtype: this.context.dtype })
  }
  integers(values: unknown): Tensor {
    return tensor(values as number[], { dtype: 'i32' })
  }
  /** 2·sin(frequency · (i + 1)) in the shape. */
  sines(frequency: number, shape: readonly number[]): Tensor {
    const count = shape.reduce((a, b) => a * b, 1)
    return this.tensor(Array.from({ length: count }, (_, i) => 2 * Math.sin(frequency * (i + 1)))).reshape(...shape)
  }
  scalar(value: number): Tensor {
    return scalar(value, this.context.dtype)
  }
  expect(name: string, found: Tensor | number, expected: unknown): void {
    this.pending.push({
      name,
      found: typeof found === 'number' ? [found] : found,
      expected: [expected as Numbers | number].flat(3) as number[],
    })
  }
  async figures(): Promise<ParityFigure[]> {
    const tensors = this.pending.flatMap(({ found }) => ('length' in found ? [] : [found]))
    await realize(tensors, { device: this.context.device })
    return Promise.all(
      this.pending.map(async ({ name, found, expected }) => ({
        name,
        found: 'length' in found ? found : Array.from(await found.data()),
        expected,
      })),
    )
  }
}

const group = (
  name: string,
  mutation: string,
  fill: (bench: Bench) => void | Promise<void>,
  tolerance: ParityGroup['tolerance'] = { f64: 1e-12, f32: 1e-6 },
): ParityGroup => ({
  name,
  mutation,
  tolerance,
  async compute(context, { mutated = false } = {}) {
    const bench = new Bench(context, mutated)
    await fill(bench)
    return bench.figures()
  },
})

/** The rate is an f32 scalar whatever the parameters are, and 0.1 in f32 is off by 1.5e-8. */
const oneRate: ParityGroup['tolerance'] = { f64: 2e-8, f32: 1e-6 }

/** Every group of the fixture that this package, and the optimiser below it, answers for. */
export const parityGroups: readonly ParityGroup[] = [
  group('log-probabilities', 'a temperature of 1.01', (bench) => {
    const f = bench.group('F01_selective_log_softmax')
    const how = bench.wrong ? { temperature: 1.01 } : {}
    const logits = bench.sines(1, [2, 3, 5])
    bench.expect('logps', logprobsOf(logits, bench.integers(f['index']), how), f['logps'])
    bench.expect('entropy', entropyOf(logits, how), f['entropy'])
  }),

  group('SFT', 'a mean over all targets, masked ones included', (bench) => {
    const f = bench.group('F02_sft_nll_dft')
    // The file's labels are those of the tokens themselves; a target is the label one place further on.
    const labels = f['labels'] as number[][]
    const targets = bench.integers(labels.map((row) => [...row.slice(1).map((label) => Math.max(label, -1)), -1]))
    const { loss } = sftLoss(bench.sines(1.3, [2, 4, 5]), targets, bench.wrong ? { count: 8 } : {})
    bench.expect('nll', loss, f['nll_token_mean'])
  }),

  group('Bradley-Terry', 'a margin added instead of subtracted, centring by 0.011', (bench) => {
    const f = bench.group('F03_reward_bt')
    const pair = { chosen: bench.tensor(f['chosen']), rejected: bench.tensor(f['rejected']) }
    const margin = bench.tensor(f['margin'])
    bench.expect('loss', bradleyTerryLoss(pair).loss, f['loss'])
    bench.expect('margin', bradleyTerryLoss(pair, { margin: bench.wrong ? margin.neg() : margin }).loss, f['loss_margin'])
    bench.expect('centred', bradleyTerryLoss(pair, { centering: bench.wrong ? 0.011 : 0.01 }).loss, f['loss_center_0p01'])
    const best = f['best_of_4'] as Fixture
    bench.expect('best of 4', bestOfLoss(bench.tensor([best['logits']]), bench.integers([best['best']])).loss, best['loss'])
  }),

  ...(['sigmoid', 'hinge', 'ipo', 'robust'] as const).map((variant: DpoVariant) =>
    group(`DPO ${variant}`, 'β of 0.1001', (bench) => {
      const f = bench.group('F04_dpo')
      const expected = (f['results'] as Record<string, Fixture>)[variant]!
      const of = (name: string): Tensor => bench.tensor(f[name])
      const reference = { referenceChosen: of('ref_chosen'), referenceRejected: of('ref_rejected') }
      const options: DpoLossOptions = {
        variant,
        beta: bench.wrong ? 0.1001 : (f['beta'] as number),
        labelSmoothing: variant === 'robust' ? (f['label_smoothing_for_robust_exo'] as number) : 0,
        lengths: { chosen: of('len_chosen'), rejected: of('len_rejected') },
      }
      const { value, grads } = valueAndGrad((policy: Pick<DpoLogprobs, 'policyChosen' | 'policyRejected'>) =>
        dpoLoss({ ...policy, ...reference }, options),
      )({ policyChosen: of('policy_chosen'), policyRejected: of('policy_rejected') })
      bench.expect('loss', value.loss, expected['loss'])
      bench.expect('each', value.perExample, expected['per_sequence'])
      bench.expect('gradient of chosen', grads.policyChosen, expected['grad_chosen'])
      bench.expect('gradient of rejected', grads.policyRejected, expected['grad_rejected'])
    }),
  ),

  group('KL', 'policy and reference changed about', (bench) => {
    const f = bench.group('F08_kl')
    const [logp, ref] = [bench.tensor(f['logp']), bench.tensor(f['ref'])]
    for (const estimator of ['k1', 'k2', 'k3'] as const)
      bench.expect(estimator, bench.wrong ? klEstimate(ref, logp, { estimator }) : klEstimate(logp, ref, { estimator }), f[estimator])
  }),

  group('whitening', 'a variance divided by n', (bench) => {
    const f = bench.group('F09_whiten')
    const [values, mask] = [bench.tensor(f['values']), bench.tensor(f['mask'])]
    const how = bench.wrong ? { correction: 0 } : {}
    bench.expect('mean', maskedMean(values, mask), f['mean'])
    bench.expect('variance', maskedVariance(values, mask, how), f['var_unbiased'])
    bench.expect('biased variance', maskedVariance(values, mask, { correction: 0 }), f['var_biased'])
    bench.expect('whitened', whiten(values, mask, how), f['whiten'])
    bench.expect('scaled alone', whiten(values, mask, { ...how, shift: false }), f['whiten_shift_false'])
  }),

  group('GAE', 'λ of 0.94', (bench) => {
    const f = bench.group('F10_ppo_gae')
    for (const [name, expected] of Object.entries(f['results'] as Record<string, Fixture>)) {
      const { rewards, advantages, returns } = ppoTargets(bench, name)
      bench.expect(`${name} rewards`, rewards, expected['rewards'])
      bench.expect(`${name} advantages`, advantages, expected['advantages'])
      bench.expect(`${name} returns`, returns, expected['returns'])
    }
  }),

  group('PPO step', 'clipping at 0.21', (bench) => {
    const [f, before] = [bench.group('F11_ppo_step'), bench.group('F10_ppo_gae')]
    const { mask, valueMask, values, advantages, returns } = ppoTargets(bench, 'k1')
    const clip = bench.wrong ? 0.21 : 0.2
    const policy = ppoPolicyLoss(
      { logprobs: bench.tensor(f['new_logprobs']), oldLogprobs: bench.tensor(before['logprobs']), advantages, mask },
      { clip, approxKlOver: 'cells' },
    )
    const value = ppoValueLoss({ values: bench.tensor(f['vpred']), oldValues: values, returns, mask: valueMask }, { clip })
    bench.expect('policy loss', policy.loss, f['pg_loss'])
    bench.expect('value loss', value.loss, f['vf_loss'])
    bench.expect('loss', policy.loss.add(value.loss.mul(f['vf_coef'] as number)), f['loss'])
    bench.expect('clipped', policy.metrics.clipFraction, f['pg_clipfrac'])
    bench.expect('approximate KL', policy.metrics.approxKl, f['approxkl'])
  }),

  group('adaptive KL', 'a horizon of 10,100', (bench) => {
    let coefficient = 0.15
    for (const { observed_kl: kl, n, value } of bench.group('F15_adaptive_kl') as unknown as {
      observed_kl: number
      n: number
      value: number
    }[]) {
      coefficient = adaptKl(coefficient, { kl, samples: n, horizon: bench.wrong ? 10_100 : 10_000 })
      bench.expect(`after ${kl}`, coefficient, value)
    }
  }),

  group('LoRA', 'α of 16.1', (bench) => {
    const f = bench.group('F16_lora')
    // A record with one matrix is enough of a model here.
    const base = { embedding: { weight: bench.sines(0.7, [3, 4]) } } as unknown as DecoderWeights
    const pairs = { 'embedding.weight': { a: bench.sines(1.1, [2, 4]), b: bench.sines(0.9, [3, 2]) } }
    const adapted = (rankStabilized: boolean): Tensor => {
      const config = loraConfig({ rank: f['r'] as number, alpha: bench.wrong ? 16.1 : (f['alpha'] as number), rankStabilized })
      return withLora(base, { config, weights: pairs }).embedding.weight
    }
    const x = bench.sines(0.5, [2, 4])
    bench.expect('merged', adapted(false), f['merged'])
    bench.expect('output', x.matmul(adapted(false), { transB: true }), f['y'])
    bench.expect('rank-stabilised', x.matmul(adapted(true), { transB: true }), f['y_rslora'])
  }),

  group(
    'AdamW with clipping',
    'a second moment of 0.96',
    (bench) => {
      const f = bench.group('F17_adamw_clip')
      const [beta1, beta2] = f['betas'] as [number, number]
      const settings = { beta1, beta2: bench.wrong ? 0.96 : beta2, eps: f['eps'] as number, weightDecay: f['wd'] as number }
      // A matrix, because vectors are not decayed.
      const row = (values: readonly number[]): { readonly p: Tensor } => ({ p: bench.tensor([values]) })
      let state = { weights: row([1, -2, 0.5]), m: row([0, 0, 0]), v: row([0, 0, 0]) }
      for (const [i, { gnorm, p }] of (f['steps'] as { gnorm: number; p: number[] }[]).entries()) {
        const grads = { p: state.weights.p.mul(bench.tensor([[2, 4, 6]])) }
        const norm = globalNorm(grads)
        const factor = clipFactor(norm, f['clip'] as number)
        state = adamw(state, grads, factor, scalar(f['lr'] as number), scalar(i + 1), settings)
        bench.expect(`norm ${i + 1}`, norm, gnorm)
        bench.expect(`parameters ${i + 1}`, state.weights.p, p)
      }
    },
    oneRate,
  ),

  group(
    "Adam's ε",
    'the two forms changed about',
    (bench) => {
      const f = bench.group('F18_adam_eps_tf_vs_torch')
      for (const [name, epsMode] of [
        ['tf1', 'tensorflow'],
        ['torch', 'torch'],
      ] as const) {
        let state = { parameter: bench.tensor([1]), m: bench.tensor([0]), v: bench.tensor([0]) }
        const mode = bench.wrong ? (epsMode === 'torch' ? 'tensorflow' : 'torch') : epsMode
        for (const [i, expected] of (f[name] as number[]).entries()) {
          state = adamwStep(state, state.parameter.mul(2e-4), scalar(f['lr'] as number), scalar(i + 1), {
            eps: f['eps'] as number,
            weightDecay: 0,
            epsMode: mode,
          })
          bench.expect(`${name} ${i + 1}`, state.parameter, expected)
        }
      }
    },
    oneRate,
  ),

  group('schedule', 'a warm-up of 101 steps', (bench) => {
    const schedule = cosineSchedule({ peak: 1e-3, floor: 1e-4, warmup: bench.wrong ? 101 : 100, decay: 2000 })
    for (const [step, rate] of Object.entries(bench.group('F19_nanogpt_lr')))
      bench.expect(`step ${step}`, schedule(Number(step)), rate as number)
  }),
]

/** What TRL's PPO trainer makes of the fixture's rollouts: the score one place after the last token, and a value learnt there. */
function ppoTargets(bench: Bench, name: string): Record<'mask' | 'valueMask' | 'values' | 'rewards' | 'advantages' | 'returns', Tensor> {
  const f = bench.group('F10_ppo_gae')
  const lengths = (f['seq_len'] as number[]).map((last) => last + 1) // the file holds the index of the last token
  const places = (f['values'] as number[][])[0]!.map((_, i) => i)
  const maskTo = (extra: number): Tensor => bench.tensor(lengths.map((length) => places.map((i) => (i < length + extra ? 1 : 0))))
  const [mask, valueMask] = [maskTo(0), maskTo(1)]
  const values = bench.tensor(f['values']).mul(valueMask)
  // With a mask of booleans TRL's factor n / (n − 1) is a quotient of integers, which torch rounds to f32 even among doubles.
  const correctionOf = (extra: number): number => {
    const n = lengths.reduce((sum, length) => sum + Math.min(length + extra, places.length), 0)
    return n - n / Math.fround(n / (n - 1))
  }
  const kl = klEstimate(bench.tensor(f['logprobs']), bench.tensor(f['ref']), { estimator: name.startsWith('k3') ? 'k3' : 'k1' })
  const plain = tokenRewards(
    { kl, mask, scores: bench.tensor(f['scores']), lengths: bench.integers(lengths) },
    { klCoefficient: f['kl_coef'] as number, scoreAt: 'after' },
  )
  const rewards = name.endsWith('whiten') ? whiten(plain, valueMask, { shift: false, correction: correctionOf(1) }).mul(valueMask) : plain
  const { advantages, returns } = gae(
    { rewards, values },
    { gamma: f['gamma'] as number, lambda: bench.wrong && name === 'k1' ? 0.94 : (f['lam'] as number) },
  )
  return {
    mask,
    valueMask,
    values,
    rewards,
    advantages: whiten(advantages, mask, { correction: correctionOf(0) }).mul(mask),
    returns: returns.mul(valueMask),
  }
}
