import { checkConfig, type DecoderConfig, type DecoderSizes } from './config.js'

/**
 * A decoder as in Llama (Touvron et al., arXiv:2302.13971): rotary positions, root-mean-square norm, SwiGLU, no biases. `kvHeads`
 * below `heads` is grouped-query attention. The default feed-forward is ⅔ of four times the width, rounded up to a
 * multiple of 32; checkpoints state their own.
 */
export function llama(options: DecoderSizes & Partial<DecoderConfig>): DecoderConfig {
  return checkConfig({
    kvHeads: options.heads,
    headWidth: options.width / options.heads,
    hidden: Math.ceil((8 * options.width) / 3 / 32) * 32,
    norm: 'rms',
    positions: 'rotary',
    activation: 'swiglu',
    bias: false,
    tied: false,
    ropeBase: 10_000,
    ropeInterleaved: false,
    normEps: 1e-5,
    dropout: 0,
    ...options,
  })
}
