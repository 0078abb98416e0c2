"""Writes what Hugging Face's logits processors make of some logits, and what its watermark detector finds:

    python tools/sampling/generate-hf-fixtures.py      # needs torch and transformers; fixtures were made with transformers 5.24.0
"""
import json
import math
import pathlib
import torch
import transformers
from transformers.generation import logits_process as lp
from transformers.generation.watermarking import WatermarkDetector

folder = pathlib.Path(__file__).parents[2] / "packages/sampling/src/__fixtures__"
generator = torch.Generator().manual_seed(7)


def logits(size, scale):
    """Of few digits, so that the file is small and both sides read the same floats."""
    return [round(float(x), 3) for x in torch.randn(size, generator=generator) * scale]


def outcome(scores):
    """How many tokens are left, and the likeliest 60 of them with their log-probabilities: only differences of logits mean something."""
    logprobs = torch.log_softmax(scores.double(), -1)
    kept = int((~torch.isinf(logprobs)).sum())
    top = torch.topk(logprobs, min(60, kept))
    return {"kept": kept, "logprobs": [[int(i), round(float(x), 6)] for i, x in zip(top.indices, top.values)]}


def case(step, options, processor, ids, scores):
    result = processor(torch.tensor([ids], dtype=torch.long), torch.tensor([scores]))
    return {"step": step, "options": options, "ids": ids, "logits": inputs.index(scores), **outcome(result[0])}


cases = []
inputs = []
text = [3, 9, 4, 3, 9, 5, 1, 3, 9]
for scale in (0.5, 3.0):
    for size in (12, 40, 2500):
        if size == 2500 and scale < 1:
            continue
        scores = logits(size, scale)
        inputs.append(scores)
        add = lambda step, options, processor: cases.append(case(step, options, processor, text, scores))
        add("temperature", [0.7], lp.TemperatureLogitsWarper(0.7))
        add("topK", [5], lp.TopKLogitsWarper(5))
        add("topP", [0.8], lp.TopPLogitsWarper(0.8))
        add("minP", [0.1], lp.MinPLogitsWarper(0.1))
        add("typical", [0.6], lp.TypicalLogitsWarper(0.6))
        add("epsilonCutoff", [0.02], lp.EpsilonLogitsWarper(0.02))
        add("etaCutoff", [0.01], lp.EtaLogitsWarper(0.01))
        add("topH", [0.5], lp.TopHLogitsWarper(0.5))
        add("penalties", [{"repeat": 1.3, "lastN": -1}], lp.RepetitionPenaltyLogitsProcessor(1.3))
        add("noRepeatNgram", [2], lp.NoRepeatNGramLogitsProcessor(2))
        add("noRepeatNgram", [3], lp.NoRepeatNGramLogitsProcessor(3))
        add("noRepeatNgram", [1], lp.NoRepeatNGramLogitsProcessor(1))
        biases = [[[2], 1.5], [[9, 4], -2.0], [[3, 9, 7], 4.0], [[9, 3, 5], 1.0]]
        add("sequenceBias", [biases], lp.SequenceBiasLogitsProcessor(biases))
        words = [[6], [9, 5], [1, 3, 9, 2], [4, 9, 8]]
        add("badWords", [words], lp.NoBadWordsLogitsProcessor(words))
        add("minTokens", [{"count": 10, "stop": [0, 2]}], lp.MinLengthLogitsProcessor(10, [0, 2]))
        add("minTokens", [{"count": 9, "stop": [0, 2]}], lp.MinLengthLogitsProcessor(9, [0, 2]))
        add("minTokens", [{"count": 4, "stop": [1], "prompt": 6}], lp.MinNewTokensLengthLogitsProcessor(6, 4, 1))
        add("minTokens", [{"count": 3, "stop": [1], "prompt": 6}], lp.MinNewTokensLengthLogitsProcessor(6, 3, 1))
        add("lengthDecay", [{"start": 3, "factor": 1.2, "stop": [2, 5], "prompt": 4}], lp.ExponentialDecayLengthPenalty((3, 1.2), [2, 5], 4))
        add("suppress", [[1, 7]], lp.SuppressTokensLogitsProcessor([1, 7]))
        add("suppressAtBegin", [[1, 7], {"prompt": 9}], lp.SuppressTokensAtBeginLogitsProcessor([1, 7], 9))
        add("suppressAtBegin", [[1, 7], {"prompt": 8}], lp.SuppressTokensAtBeginLogitsProcessor([1, 7], 8))
        add("forceTokens", [[[9, 4]]], lp.ForcedEOSTokenLogitsProcessor(10, 4))
        other = logits(size, scale)
        pair = lambda scale: lp.ClassifierFreeGuidanceLogitsProcessor(scale)(
            torch.tensor([text]), torch.tensor([scores, other])
        )
        cases.append(
            {
                "step": "guidance",
                "options": [1.5],
                "unconditional": len(inputs),
                "ids": text,
                "logits": inputs.index(scores),
                **outcome(pair(1.5)[0]),
            }
        )
        inputs.append(other)
        for scheme, context in (("lefthash", 1), ("lefthash", 2), ("selfhash", 1), ("selfhash", 3)):
            # Theirs looks at 40 tokens, and needs as many.
            if scheme == "selfhash" and size < 40:
                continue
            options = {"vocabulary": size, "ratio": 0.3, "bias": 2.5, "scheme": scheme, "context": context}
            add(
                "watermark",
                [options],
                lp.WatermarkLogitsProcessor(size, "cpu", 0.3, 2.5, 15485863, scheme, context),
            )
            # A long history wraps the seed's integers.
            if size == 2500:
                cases.append(
                    case(
                        "watermark",
                        [options],
                        lp.WatermarkLogitsProcessor(size, "cpu", 0.3, 2.5, 15485863, scheme, context),
                        [2401, 17, 2499],
                        scores,
                    )
                )

config = transformers.GPT2Config(vocab_size=500, bos_token_id=499)
detections = []
for scheme, context in (("lefthash", 1), ("lefthash", 2), ("selfhash", 1), ("selfhash", 2)):
    for ignore in (False, True):
        mark = {"greenlist_ratio": 0.25, "bias": 4.0, "hashing_key": 15485863, "seeding_scheme": scheme, "context_width": context}
        detector = WatermarkDetector(config, "cpu", mark, ignore_repeated_ngrams=ignore)
        for kind in ("random", "marked", "repeated"):
            ids = torch.randint(0, 400, (60,), generator=generator).tolist()
            if kind == "repeated":
                ids = ids[:12] * 5
            if kind == "marked":
                processor = lp.WatermarkLogitsProcessor(500, "cpu", 0.25, 4.0, 15485863, scheme, context)
                ids = ids[:4]
                while len(ids) < 60:
                    scores = processor(torch.tensor([ids]), torch.randn(1, 500, generator=generator))
                    ids.append(int(scores.argmax()))
            out = detector(torch.tensor([ids]), return_dict=True)
            detections.append(
                {
                    "options": {"vocabulary": 500, "ratio": 0.25, "scheme": scheme, "context": context, "ignoreRepeated": ignore},
                    "ids": ids,
                    "tokens": int(out.num_tokens_scored[0]),
                    "green": int(out.num_green_tokens[0]),
                    "z": float(out.z_score[0]),
                    "pValue": float(out.p_value[0]),
                    "isMarked": bool(out.prediction[0]),
                }
            )

lines = lambda rows: "[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in rows) + "\n]"
(folder / "hf-processors.json").write_text('{"inputs":' + lines(inputs) + ',"cases":' + lines(cases) + "}\n")
(folder / "hf-watermarks.json").write_text(
    lines(detections) + "\n"
)
print(len(cases), "cases,", len(detections), "detections")
