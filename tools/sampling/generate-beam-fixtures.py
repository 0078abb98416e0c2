"""Writes what Hugging Face's beam search finds with a model that is a table: the logits of the next token by the last two.

    python tools/sampling/generate-beam-fixtures.py      # needs torch and transformers; fixtures were made with transformers 5.24.0
"""
import json
import pathlib
import torch
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel
from transformers.modeling_outputs import CausalLMOutput

folder = pathlib.Path(__file__).parents[2] / "packages/sampling/src/__fixtures__"
VOCABULARY = 11


class Table(GPT2LMHeadModel):
    """Everything of a model that generates, but for what it computes."""

    def __init__(self, table):
        super().__init__(GPT2Config(vocab_size=VOCABULARY, n_layer=1, n_head=1, n_embd=4, bos_token_id=0, eos_token_id=None))
        self.table = table

    def forward(self, input_ids, **_):
        before = torch.cat((torch.zeros_like(input_ids[:, :1]), input_ids[:, :-1]), 1)
        return CausalLMOutput(logits=self.table[before, input_ids])


tables, cases = [], []
for seed, spread in ((1, 1.0), (2, 2.5)):
    generator = torch.Generator().manual_seed(seed)
    table = torch.round(torch.randn(VOCABULARY, VOCABULARY, VOCABULARY, generator=generator) * spread * 100) / 100
    # Ends are not to come at once.
    table[:, :, 1] -= 1
    table[:, :, 2] -= 1
    tables.append(table.flatten().tolist())
    model = Table(table).eval()
    for beams in (1, 2, 4, 6):
        for penalty in (-0.5, 0.0, 1.0, 2.0):
            for early in (False, True, "never"):
                for stop in ([], [1], [1, 2]):
                    if beams == 1:
                        continue
                    config = GenerationConfig(
                        num_beams=beams,
                        num_return_sequences=beams,
                        max_new_tokens=9,
                        length_penalty=penalty,
                        early_stopping=early,
                        eos_token_id=stop or None,
                        pad_token_id=VOCABULARY - 1,
                        do_sample=False,
                        use_cache=False,
                        return_dict_in_generate=True,
                        output_scores=True,
                        output_logits=True,
                    )
                    out = model.generate(torch.tensor([[3, 5]]), generation_config=config)
                    results = []
                    for ids, score, indices in zip(out.sequences.tolist(), out.sequences_scores.tolist(), out.beam_indices.tolist()):
                        # A place without a result has a score of -1e9.
                        if score < -1e8:
                            continue
                        length = sum(index >= 0 for index in indices)
                        results.append([ids[2 : 2 + length], round(score, 5)])
                    cases.append(
                        {
                            "table": len(tables) - 1,
                            "options": {"beams": beams, "lengthPenalty": penalty, "earlyStopping": early, "stop": stop, "maxTokens": 9},
                            "results": results,
                        }
                    )
(folder / "hf-beams.json").write_text(
    json.dumps({"vocabulary": VOCABULARY, "prompt": [3, 5], "tables": tables}, separators=(",", ":"))[:-1]
    + ',"cases":[\n'
    + ",\n".join(json.dumps(one, separators=(",", ":")) for one in cases)
    + "\n]}\n"
)
print(len(cases), "cases")
