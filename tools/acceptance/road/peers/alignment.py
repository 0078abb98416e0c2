"""The peers of the alignment bars: a PPO iteration and a DPO step in PyTorch on the CPU.

    python alignment.py TASK KIND THREADS      TASK: ppo | dpo      KIND: eager | compile | trl (dpo only)

`eager` and `compile` are a loop written by hand for exactly this work, `trl` is TRL's DPOTrainer. They speak lines of JSON: each line with a
number on standard input asks for that many iterations or steps and is answered with their times in milliseconds, so that whoever asks can take
turns with another program. The first answer says that it is ready; warming up, and compiling, happen before it.

The work: a GPT-2 of 4 layers, 4 heads, width 128, 512 words and 64 positions with its output head tied to the embedding. PPO: 32 prompts of 16
tokens, 48 sampled ones each with a cache, a reward computed on the host, a frozen reference, a value head on the policy's hidden states, advantages by
GAE, 4 passes of 4 updates with clipping of ratio, value and gradients. DPO: 8 pairs of 64 tokens, 16 of them prompt; the reference's
log-probabilities are computed beforehand, as TRL can and as we always do. AdamW without decay everywhere.
"""

import json
import os
import pathlib
import sys
import time

# The compiler would start a worker of 0.4 GB for every core that the host has, whatever this machine may use of them.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "lib"))
from peak import peak_mib  # noqa: E402

LAYERS, HEADS, WIDTH, CONTEXT, WORDS = 4, 4, 128, 64, 512
ROWS, PROMPT, SAMPLED, EPOCHS, MINIBATCHES = 32, 16, 48, 4, 4
PAIRS = 8


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x, cache=None, position=None, seen=None):
        rows, length, _ = x.shape
        q, k, v = (part.view(rows, length, HEADS, WIDTH // HEADS).transpose(1, 2) for part in self.qkv(x).split(WIDTH, dim=2))
        if cache is None:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            keys, values = cache
            keys.index_copy_(2, position, k)
            values.index_copy_(2, position, v)
            y = F.scaled_dot_product_attention(q, keys, values, attn_mask=seen)
        return self.out(y.transpose(1, 2).reshape(rows, length, WIDTH))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, *cached):
        x = x + self.attention(self.norm1(x), *cached)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(WORDS, WIDTH)
        self.positions = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02 / (2 * LAYERS) ** 0.5 if name.endswith(("out.weight", "down.weight")) else 0.02)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def extend(self, ids, position, seen, caches):
        """Logits after the last of new tokens; `position` [T] says where they stand, `seen` [T, CONTEXT] what each looks at."""
        x = self.tokens(ids) + self.positions(position)
        for block, cache in zip(self.blocks, caches):
            x = block(x, cache, position, seen)
        return self.head(self.norm(x[:, -1]))

    def head(self, hidden):
        return F.linear(hidden, self.tokens.weight)


def chosen_logprobs(logits, targets):
    return torch.log_softmax(logits, -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def adamw(parameters, rate):
    # The fused update is the faster one on a CPU too.
    return torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.999), weight_decay=0.0, fused=True)


class PPO:
    def __init__(self, compiled):
        torch.manual_seed(1)
        self.policy, self.reference = Decoder(), Decoder()
        self.reference.load_state_dict(self.policy.state_dict())
        self.value = nn.Linear(WIDTH, 1)
        self.parameters = [*self.policy.parameters(), *self.value.parameters()]
        self.optimizer = adamw(self.parameters, 1e-5)
        self.prompts = torch.randint(WORDS, (64, PROMPT))
        self.count = 0
        wrap = torch.compile if compiled else lambda f: f
        self.extend, self.look, self.loss = wrap(self.policy.extend), wrap(self.look), wrap(self.loss)
        self.causal = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).tril()

    @torch.no_grad()
    def generate(self):
        start = (self.count * ROWS) % 64
        self.count += 1
        ids = torch.zeros(ROWS, PROMPT + SAMPLED, dtype=torch.long)
        ids[:, :PROMPT] = self.prompts[start : start + ROWS]
        shape = (ROWS, HEADS, CONTEXT, WIDTH // HEADS)
        caches = [(torch.zeros(shape), torch.zeros(shape)) for _ in range(LAYERS)]
        fresh, position = ids[:, :PROMPT], torch.arange(PROMPT)
        for at in range(PROMPT, PROMPT + SAMPLED):
            logits = self.extend(fresh, position, self.causal[position], caches)
            fresh = torch.multinomial(torch.softmax(logits, -1), 1)
            ids[:, at] = fresh[:, 0]
            position = torch.tensor([at])
        return ids

    def look(self, ids):
        """Log-probabilities of policy and reference and the values, each [ROWS, CONTEXT - 1]."""
        inputs, targets = ids[:, :-1], ids[:, 1:]
        hidden = self.policy(inputs)
        logprobs = chosen_logprobs(self.policy.head(hidden), targets)
        reference = chosen_logprobs(self.reference.head(self.reference(inputs)), targets)
        return logprobs, reference, self.value(hidden).squeeze(-1)

    def loss(self, ids, mask, old, old_values, advantages, returns):
        inputs, targets = ids[:, :-1], ids[:, 1:]
        hidden = self.policy(inputs)
        logits = torch.log_softmax(self.policy.head(hidden), -1)
        logprobs = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        values = self.value(hidden).squeeze(-1)
        count = mask.sum()
        ratio = (logprobs - old).exp()
        surrogate = torch.maximum(-advantages * ratio, -advantages * ratio.clamp(0.8, 1.2))
        near = old_values + (values - old_values).clamp(-0.2, 0.2)
        critic = torch.maximum((values - returns) ** 2, (near - returns) ** 2)
        entropy = ((-(logits.detach().exp() * logits.detach()).sum(-1)) * mask).sum() / count
        approx = (0.5 * (logprobs.detach() - old) ** 2 * mask).sum() / count
        loss = (surrogate * mask).sum() / count + 0.1 * 0.5 * (critic * mask).sum() / count
        return loss, torch.stack([loss.detach(), entropy, approx])

    def iterate(self):
        ids = self.generate()
        # A reward of the host, as most are: the share of even words.
        scores = torch.tensor([sum(1 for word in row if word % 2 == 0) / SAMPLED for row in ids[:, PROMPT:].tolist()])
        mask = torch.zeros(ROWS, CONTEXT - 1)
        mask[:, PROMPT - 1 :] = 1
        with torch.no_grad():
            logprobs, reference, values = self.look(ids)
            rewards = -0.05 * (logprobs - reference) * mask
            rewards[:, -1] += scores
            values = values * mask
            advantages = torch.zeros_like(rewards)
            last = torch.zeros(ROWS)
            for t in reversed(range(CONTEXT - 1)):
                ahead = values[:, t + 1] if t + 2 < CONTEXT else 0.0
                last = rewards[:, t] + ahead - values[:, t] + 0.95 * last
                advantages[:, t] = last
            returns = advantages + values
            sampled = advantages[mask.bool()]
            advantages = (advantages - sampled.mean()) * torch.rsqrt(sampled.var() + 1e-8) * mask
        metrics = []
        for _ in range(EPOCHS):
            for rows in torch.randperm(ROWS).split(ROWS // MINIBATCHES):
                loss, report = self.loss(ids[rows], mask[rows], logprobs[rows], values[rows], advantages[rows], returns[rows])
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
                self.optimizer.step()
                self.optimizer.zero_grad(set_to_none=True)
                metrics.append(torch.cat([report, norm.unsqueeze(0)]))
        return torch.stack(metrics).mean(0).tolist()[0]


def pairs(count):
    """Words of prompts and answers: each pair is 16 words, then 47 and the end."""
    draw = torch.Generator().manual_seed(2)
    words = lambda length: torch.randint(WORDS - 2, (length,), generator=draw).tolist()
    return [(words(PROMPT), words(CONTEXT - PROMPT - 1), words(CONTEXT - PROMPT - 1)) for _ in range(count)]


class DPO:
    def __init__(self, compiled):
        torch.manual_seed(1)
        self.policy = Decoder()
        self.parameters = list(self.policy.parameters())
        self.optimizer = adamw(self.parameters, 1e-6)
        end = WORDS - 1
        rows = pairs(256)
        self.chosen = torch.tensor([prompt + chosen + [end] for prompt, chosen, _ in rows])
        self.rejected = torch.tensor([prompt + rejected + [end] for prompt, _, rejected in rows])
        self.mask = torch.zeros(CONTEXT - 1)
        self.mask[PROMPT - 1 :] = 1
        with torch.no_grad():
            self.reference = torch.stack([self.sums(self.chosen), self.sums(self.rejected)])
        self.loss = torch.compile(self.loss) if compiled else self.loss

    def sums(self, ids):
        return (chosen_logprobs(self.policy.head(self.policy(ids[:, :-1])), ids[:, 1:]) * self.mask).sum(-1)

    def loss(self, ids, reference):
        chosen, rejected = self.sums(ids).chunk(2)
        better, worse = 0.1 * (chosen - reference[0]), 0.1 * (rejected - reference[1])
        loss = -F.logsigmoid(better - worse).mean()
        return loss, torch.stack([loss.detach(), (better > worse).float().mean(), better.detach().mean(), worse.detach().mean()])

    def iterate(self):
        rows = torch.randint(256, (PAIRS,))
        ids = torch.cat([self.chosen[rows], self.rejected[rows]])
        loss, report = self.loss(ids, self.reference[:, rows])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return report.tolist()[0]


def say(message):
    print(json.dumps({**message, "peakMiB": peak_mib()}), flush=True)


def describe(kind, parameters):
    runtime = f"torch {torch.__version__}, {kind}, {torch.get_num_threads()} threads"
    return {"ready": True, "runtime": runtime, "parameters": sum(p.numel() for p in parameters)}


def by_hand(task, kind):
    work = {"ppo": PPO, "dpo": DPO}[task](kind == "compile")
    for _ in range(3):
        work.iterate()
    say(describe(f"by hand, {kind}", work.parameters))
    for line in sys.stdin:
        times, value = [], 0.0
        for _ in range(int(line)):
            start = time.perf_counter()
            value = work.iterate()
            times.append(1000 * (time.perf_counter() - start))
        say({"milliseconds": times, "loss": value})


def by_trl():
    import logging
    import tempfile

    import transformers
    import trl
    from datasets import Dataset
    from tokenizers import Tokenizer, models, pre_tokenizers

    logging.disable(logging.WARNING)
    vocabulary = {**{f"w{i}": i for i in range(WORDS - 2)}, "<pad>": WORDS - 2, "<end>": WORDS - 1}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>")
    config = transformers.GPT2Config(
        vocab_size=WORDS, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, activation_function="gelu",
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=WORDS - 1, eos_token_id=WORDS - 1, pad_token_id=WORDS - 2,
    )
    torch.manual_seed(1)
    model = transformers.GPT2LMHeadModel(config)
    text = lambda words: " ".join(f"w{word}" for word in words)
    rows = [{"prompt": text(p) + " ", "chosen": text(c) + " ", "rejected": text(r) + " "} for p, c, r in pairs(256)]

    class Turns(transformers.TrainerCallback):
        """Waits for a request before a step when the last one is served; only what the trainer does within a step is timed."""

        def __init__(self):
            self.left, self.times, self.warm = 3, [], True

        def on_step_begin(self, args, state, control, **_):
            if self.left == 0:
                if self.warm:
                    say(describe(f"TRL {trl.__version__}", model.parameters()))
                else:
                    say({"milliseconds": self.times})
                self.warm, self.times = False, []
                line = sys.stdin.readline()
                if line == "":
                    os._exit(0)
                self.left = int(line)
            self.start = time.perf_counter()

        def on_step_end(self, args, state, control, **_):
            self.times.append(1000 * (time.perf_counter() - self.start))
            self.left -= 1

    with tempfile.TemporaryDirectory() as folder:
        args = trl.DPOConfig(
            output_dir=folder, per_device_train_batch_size=PAIRS, max_steps=100_000, learning_rate=1e-6, beta=0.1, max_length=CONTEXT,
            precompute_ref_log_probs=True, optim="adamw_torch_fused", lr_scheduler_type="constant", logging_strategy="no", save_strategy="no",
            report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False, disable_tqdm=True, dataloader_pin_memory=False,
        )
        output, sys.stdout = sys.stdout, sys.stderr
        trainer = trl.DPOTrainer(model=model, args=args, train_dataset=Dataset.from_list(rows), processing_class=fast, callbacks=[Turns()])
        sys.stdout = output
        trainer.train()


def main():
    task, kind, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    by_trl() if kind == "trl" else by_hand(task, kind)


if __name__ == "__main__":
    main()
