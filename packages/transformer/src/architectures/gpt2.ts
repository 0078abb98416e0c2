import { checkConfig, type DecoderConfig, type DecoderSizes } from './config.js'

/**
 * A decoder as in GPT-2 (Radford et al., 2019): learned positions, layer norm, GELU, one key head for each query head, a head tied
 * to the embedding, feed-forward four times the width. Any field can be set otherwise; `activation: 'geluTanh'` is what
 * OpenAI's released weights were trained with, `bias: false` is nanoGPT's choice.
 */
export function gpt2(options: DecoderSizes & Partial<DecoderConfig>): DecoderConfig {
  return checkConfig({
    kvHeads: options.heads,
    headWidth: options.width / options.heads,
    hidden: 4 * options.width,
    norm: 'layer',
    positions: 'learned',
    activation: 'gelu',
    bias: true,
    tied: true,
    ropeBase: 10_000,
    ropeInterleaved: false,
    normEps: 1e-5,
    dropout: 0,
    ...options,
  })
}
