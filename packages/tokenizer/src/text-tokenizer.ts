import { CoreTokenizer } from "./core-tokenizer.js";
import { assemble } from "./encoding/assemble.js";
import { tokenizeBytes } from "./encoding/byte-tokens.js";
import type { Encoding } from "./encoding/encoding.js";
import { paddedLength, paddingRule, truncationRule, type BatchOptions, type EncodeWithOffsetsOptions } from "./encoding/options.js";
import type { TokenizerParts } from "./parts.js";
import type { LayoutPart, TokenSequence } from "./pipeline/components.js";
import type { PaddingRule } from "./pipeline/limits.js";
import { plainLayout } from "./postprocessors/byte-level.js";
import type { SpecialRule } from "./special-tokens.js";

export type { DecodeOptions, EncodeOptions } from "./core-tokenizer.js";

/** {@link CoreTokenizer} with what models and servers ask for besides: places, pairs, truncation, padding. */
export class TextTokenizer extends CoreTokenizer {
  /**
   * A text's tokens with their places, words, masks and segments, as Hugging Face tokenizers gives them. Truncation and padding are those of the tokenizer's file
   * unless given; {@link CoreTokenizer.encode} does neither.
   *
   * @throws TokenizerError `SPECIAL_TOKEN` by the policy; `VALUE` for options out of their range
   */
  encodeWithOffsets(text: string, options: EncodeWithOffsetsOptions = {}): Encoding {
    const { pair, ...rest } = options;
    return this.encodeBatchWithOffsets([pair === undefined ? text : [text, pair]], rest)[0]!;
  }

  /** The same for several texts or pairs, filled up to one length where `padding` asks for the longest. */
  encodeBatchWithOffsets(texts: readonly (string | readonly [string, string])[], options: BatchOptions = {}): Encoding[] {
    const { parts } = this;
    const truncation = truncationRule(options.truncation, parts.truncation);
    const padding = this.paddingOf(options);
    const encodings = texts.map((entry) => {
      const sequences = (typeof entry === "string" ? [entry] : entry).map((text) => this.tokenize(text, options.special ?? "reject"));
      return assemble(sequences, this.layout(sequences.length === 2, options.addSpecial !== false), {
        unit: options.offsets ?? "utf16",
        truncation,
      });
    });
    if (padding === undefined) return encodings;
    const length = paddedLength(
      encodings.map((encoding) => encoding.length),
      padding
    );
    return encodings.map((encoding) => encoding.padded({ ...padding, length }));
  }

  private tokenize(text: string, special: SpecialRule): TokenSequence {
    return this.parts.pipeline?.tokenize(text, special) ?? tokenizeBytes(text, special, this.parts, this.added);
  }

  /** The texts and, where wanted, what is put around them. */
  private layout(pair: boolean, addSpecial: boolean): readonly LayoutPart[] {
    const { pipeline } = this.parts;
    const layout =
      pipeline === undefined ? prefixed(this.prefix, pair, this.parts) : pipeline.postProcessor?.layout(pair) ?? plainLayout(pair);
    return addSpecial ? layout : layout.filter((part) => part.kind === "sequence");
  }

  private paddingOf({ padding }: BatchOptions): PaddingRule | undefined {
    return paddingRule(padding, this.parts.padding, { padId: this.parts.padId, tokenOf: (id) => this.decode([id]) });
  }
}

/** The ids in front of a text as a layout. */
function prefixed(ids: readonly number[], pair: boolean, { vocabulary }: TokenizerParts): readonly LayoutPart[] {
  if (ids.length === 0) return plainLayout(pair);
  const utf8 = new TextDecoder();
  const tokens = ids.map((id) => utf8.decode(vocabulary.tokenBytes(id)));
  return [{ kind: "special", ids, tokens, typeId: 0 }, ...plainLayout(pair)];
}
