"""Whole trainings of packages/rlhf in PyTorch: fine-tuning, a reward model, DPO and PPO, each for 50 updates or more of a tiny decoder.

    python tools/goldens/trajectories.py > packages/rlhf/src/__fixtures__/trajectories.json     (torch and transformers, CPU)

The decoders are transformers' GPT-2 and Llama, the optimiser is torch.optim.AdamW with clip_grad_norm_; losses, advantages and loops are written out
here, one sequence at a time where ours computes with masks. Everything is in double precision (transformers' Llama computes its norms and angles in
single). Weights, batches, samples and scores follow formulas that packages/rlhf/src/__fixtures__/trajectories.ts repeats, so the file holds results
only: what each update reports before it changes the weights.
"""

import json
import math
import sys

import torch
import torch.nn.functional as F
import transformers

VOCABULARY, WIDTH, LAYERS, HEADS, CONTEXT = 23, 16, 2, 4, 24
STEPS = 50

# The orders of PPO's rows, one for each pass, four passes a step: what ours draws for the seed "trajectory".
ORDERS = """
42657130 20147563 01273645 23651047
37614502 01372546 17256043 76342051
02473615 40513672 64273510 60527341
64072351 06132754 67403512 35041627
""".split()


def noise(n):
    """A whole number from 0 to 9999 that depends on n."""
    return (n * n * 7 + n * 7919 + 104729) % 10007 % 10000


def tensor_of(name, shape, variant):
    """Weights by name, noise from -0.3 to 0.3 that begins at the sum of the name's characters; those of norms lie around 1."""
    phase = sum(map(ord, name)) + 1000 * variant
    base = 1.0 if "orm.weight" in name else 0.0
    values = [base + 0.3 * (noise(phase + i) / 5000 - 1) for i in range(math.prod(shape))]
    return torch.tensor(values, dtype=torch.float32).double().reshape(shape)


def gpt2(variant=0):
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, activation_function="gelu",
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )
    model = transformers.GPT2LMHeadModel(config).double()
    weights = lambda name, *shape: tensor_of(name, shape, variant)
    state = {"transformer.wte.weight": weights("embedding.weight", VOCABULARY, WIDTH)}
    state["lm_head.weight"] = state["transformer.wte.weight"]
    state["transformer.wpe.weight"] = weights("positions.weight", CONTEXT, WIDTH)
    for i in range(LAYERS):
        theirs, ours = f"transformer.h.{i}", f"blocks.{i}"
        parts = [f"{ours}.attention.{part}" for part in ("query", "key", "value")]
        # GPT-2 keeps its matrices transposed, and the three of attention in one.
        state[f"{theirs}.attn.c_attn.weight"] = torch.cat([weights(f"{part}.weight", WIDTH, WIDTH).T for part in parts], 1)
        state[f"{theirs}.attn.c_attn.bias"] = torch.cat([weights(f"{part}.bias", WIDTH) for part in parts])
        for layer, name, out, into in (
            ("attn.c_proj", "attention.output", WIDTH, WIDTH),
            ("mlp.c_fc", "feedForward.up", 4 * WIDTH, WIDTH),
            ("mlp.c_proj", "feedForward.down", WIDTH, 4 * WIDTH),
        ):
            state[f"{theirs}.{layer}.weight"] = weights(f"{ours}.{name}.weight", out, into).T
            state[f"{theirs}.{layer}.bias"] = weights(f"{ours}.{name}.bias", out)
        for layer, name in (("ln_1", "attentionNorm"), ("ln_2", "feedForwardNorm")):
            for kind in ("weight", "bias"):
                state[f"{theirs}.{layer}.{kind}"] = weights(f"{ours}.{name}.{kind}", WIDTH)
    for kind in ("weight", "bias"):
        state[f"transformer.ln_f.{kind}"] = weights(f"norm.{kind}", WIDTH)
    model.load_state_dict(state)
    return model.eval()


def llama():
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, max_position_embeddings=CONTEXT, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=2, head_dim=4, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False,
        bos_token_id=0, eos_token_id=0, pad_token_id=None,
    )
    model = transformers.LlamaForCausalLM(config).double()
    weights = lambda name, *shape: tensor_of(name, shape, 0)
    state = {"model.embed_tokens.weight": weights("embedding.weight", VOCABULARY, WIDTH)}
    for i in range(LAYERS):
        theirs, ours = f"model.layers.{i}", f"blocks.{i}"
        for layer, name, out, into in (
            ("self_attn.q_proj", "attention.query", WIDTH, WIDTH),
            ("self_attn.k_proj", "attention.key", 8, WIDTH),
            ("self_attn.v_proj", "attention.value", 8, WIDTH),
            ("self_attn.o_proj", "attention.output", WIDTH, WIDTH),
            ("mlp.up_proj", "feedForward.up", 32, WIDTH),
            ("mlp.gate_proj", "feedForward.gate", 32, WIDTH),
            ("mlp.down_proj", "feedForward.down", WIDTH, 32),
        ):
            state[f"{theirs}.{layer}.weight"] = weights(f"{ours}.{name}.weight", out, into)
        state[f"{theirs}.input_layernorm.weight"] = weights(f"{ours}.attentionNorm.weight", WIDTH)
        state[f"{theirs}.post_attention_layernorm.weight"] = weights(f"{ours}.feedForwardNorm.weight", WIDTH)
    state["model.norm.weight"] = weights("norm.weight", WIDTH)
    state["lm_head.weight"] = weights("head.weight", VOCABULARY, WIDTH)
    model.load_state_dict(state)
    return model.eval()


def scalar_head():
    head = torch.nn.Linear(WIDTH, 1).double()
    head.load_state_dict({"weight": tensor_of("scalar.weight", [1, WIDTH], 0), "bias": tensor_of("scalar.bias", [1], 0)})
    return head


def optimizer_of(parameters, rate, decay=0.0, betas=(0.9, 0.999)):
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=betas, eps=1e-8)


def update(loss, parameters, optimizer, clip=1.0):
    parameters = list(parameters)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()
    optimizer.zero_grad()
    return norm.item()


def sequence(n):
    """Example n: a prompt of 3 to 5 tokens, and an answer that a rule continues from it."""
    prompt = [1 + noise(31 * n + i) % (VOCABULARY - 1) for i in range(3 + noise(n) % 3)]
    answer = [prompt[-1]]
    for _ in range(4 + noise(n + 500) % 9):
        answer.append((answer[-1] * 2 + 1) % VOCABULARY)
    return prompt, answer[1:]


def logprobs_of(model, ids, temperature=1.0):
    """Log-probabilities of ids[1:], and the last hidden states of ids[:-1]."""
    out = model(torch.tensor([ids[:-1]]), output_hidden_states=True)
    all = torch.log_softmax(out.logits[0] / temperature, -1)
    return all.gather(-1, torch.tensor(ids[1:]).unsqueeze(-1)).squeeze(-1), all, out.hidden_states[-1][0]


def sft():
    """A Llama; two batches of 4 make a step; the rate falls along a cosine after a warm-up."""
    model, rows, parts = llama(), 4, 2
    optimizer = optimizer_of(model.parameters(), 0.0, decay=0.1, betas=(0.9, 0.95))
    steps = []
    for step in range(STEPS):
        examples = [sequence(step * rows * parts + i) for i in range(rows * parts)]
        learnt = sum(len(answer) for _, answer in examples)
        total = 0.0
        for prompt, answer in examples:
            total = total - logprobs_of(model, prompt + answer)[0][len(prompt) - 1 :].sum()
        rate = 1e-2 * (step + 1) / 6 if step < 5 else 1e-3 + 0.5 * (1 + math.cos(math.pi * (step - 5) / (STEPS - 5))) * (1e-2 - 1e-3)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = total / learnt
        steps.append({"loss": loss.item(), "gradNorm": update(loss, model.parameters(), optimizer)})
    return steps


def pair(n):
    """One prompt, the answer by the rule, and another of another length."""
    prompt, chosen = sequence(n)
    return prompt, chosen, [noise(n * 13 + i + 77) % VOCABULARY for i in range(3 + noise(n + 900) % 8)], (noise(n) % 5) / 10


def reward():
    """A GPT-2 with a scalar head, margins, and rewards kept near 0."""
    model, head, rows = gpt2(), scalar_head(), 4
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = optimizer_of(parameters, 1e-3)
    score = lambda ids: head(model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0, -1])[0]
    steps = []
    for step in range(STEPS):
        total, margin = 0.0, 0.0
        for prompt, chosen, rejected, wanted in map(pair, range(step * rows, (step + 1) * rows)):
            better, worse = score(prompt + chosen), score(prompt + rejected)
            total = total - F.logsigmoid(better - worse - wanted) + 0.01 * (better + worse) ** 2
            margin += (better - worse).item()
        loss = total / rows
        steps.append({"loss": loss.item(), "margin": margin / rows, "gradNorm": update(loss, parameters, optimizer)})
    return steps


def dpo(variant):
    """A GPT-2 held to another one."""
    model, reference, rows, beta = gpt2(), gpt2(variant=1), 4, 0.1
    optimizer = optimizer_of(model.parameters(), 1e-3)
    steps = []
    for step in range(STEPS):
        total, margin = 0.0, 0.0
        for prompt, chosen, rejected, _ in map(pair, range(step * rows, (step + 1) * rows)):
            gain = []
            for answer in (chosen, rejected):
                of = lambda m: logprobs_of(m, prompt + answer)[0][len(prompt) - 1 :].sum()
                with torch.no_grad():
                    held = of(reference)
                gain.append(of(model) - held)
            difference = gain[0] - gain[1]
            if variant == "sigmoid":
                total = total - F.logsigmoid(beta * difference)
            else:
                total = total + (gain[0] / len(chosen) - gain[1] / len(rejected) - 1 / (2 * beta)) ** 2
            margin += beta * difference.item()
        loss = total / rows
        steps.append({"loss": loss.item(), "margin": margin / rows, "gradNorm": update(loss, model.parameters(), optimizer)})
    return steps


def ppo():
    """A GPT-2 and a head on its hidden states, a reference with other weights, 4 steps of 4 passes of 4 updates by 2 rows; the KL coefficient is steered."""
    rows, minibatch, temperature, gamma, lam = 8, 2, 0.9, 0.99, 0.95
    policy, reference, head = gpt2(), gpt2(variant=1), scalar_head()
    parts = [list(policy.parameters()), list(head.parameters())]
    optimizers = [optimizer_of(parts[0], 1e-3), optimizer_of(parts[1], 2e-3)]
    coefficient, target, horizon = 0.05, 3.0, 100
    updates, coefficients = [], []

    def look(ids, start):
        logprobs, all, hidden = logprobs_of(policy, ids, temperature)
        return logprobs[start:], all[start:], head(hidden)[start:, 0]

    for step in range(4):
        coefficients.append(coefficient)
        samples = []
        for row in range(rows):
            if (step, row) == (1, 3):  # what the reward left out
                continue
            prompt, completion = sequence(1000 + step * rows + row)
            n = step * rows + row
            score = noise(n + 40) / 5000 - 1 - (0.0 if n % 3 else 0.5)  # each third was cut off
            ids, start = prompt + completion, len(prompt) - 1
            with torch.no_grad():
                logprobs, _, values = look(ids, start)
                held = logprobs_of(reference, ids, temperature)[0][start:]
            rewards = -coefficient * (logprobs - held)
            rewards[-1] += score
            advantages, ahead = torch.zeros_like(values), 0.0
            for t in reversed(range(len(values))):
                following = values[t + 1] if t + 1 < len(values) else 0.0
                ahead = rewards[t] + gamma * following - values[t] + gamma * lam * ahead
                advantages[t] = ahead
            samples.append(dict(row=row, ids=ids, start=start, old=logprobs, values=values, advantages=advantages, returns=advantages + values,
                                kl=(logprobs - held).sum().item()))
        every = torch.cat([sample["advantages"] for sample in samples])
        mean, variance = every.mean(), every.var(unbiased=True)
        for sample in samples:
            sample["advantages"] = (sample["advantages"] - mean) / torch.sqrt(variance + 1e-8)
        by_row = {sample["row"]: sample for sample in samples}
        for epoch in range(4):
            order = [int(digit) for digit in ORDERS[step * 4 + epoch]]
            for at in range(0, rows, minibatch):
                some = [by_row[row] for row in order[at : at + minibatch] if row in by_row]
                count = sum(len(sample["old"]) for sample in some)
                surrogate = critic = entropy = approximate = 0.0
                for sample in some:
                    logprobs, all, values = look(sample["ids"], sample["start"])
                    ratio = torch.exp(logprobs - sample["old"])
                    plain, clipped = ratio * sample["advantages"], ratio.clamp(0.8, 1.2) * sample["advantages"]
                    surrogate = surrogate - torch.minimum(plain, clipped).sum()
                    near = torch.clamp(values, sample["values"] - 0.2, sample["values"] + 0.2)
                    critic = critic + torch.maximum((values - sample["returns"]) ** 2, (near - sample["returns"]) ** 2).sum()
                    entropy = entropy - (all.exp() * all).sum()
                    approximate += (0.5 * (logprobs - sample["old"]) ** 2).sum().item()
                policy_loss, value_loss, entropy = surrogate / count, 0.5 * critic / count, entropy / count
                loss = policy_loss + 0.1 * value_loss - 0.01 * entropy
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(parts[0] + parts[1], 1.0)
                for optimizer in optimizers:
                    optimizer.step()
                    optimizer.zero_grad()
                updates.append({"policyLoss": policy_loss.item(), "valueLoss": value_loss.item(), "entropy": entropy.item(),
                                "approxKl": approximate / count, "gradNorm": norm.item()})
        divergence = sum(sample["kl"] for sample in samples) / len(samples)
        error = min(0.2, max(-0.2, divergence / target - 1))
        coefficient *= 1 + error * len(samples) / horizon
    return {"orders": ORDERS, "klCoefficients": coefficients, "updates": columns(updates)}


def columns(rows):
    """Rows of figures as one list for each figure."""
    return {name: [float(f"{row[name]:.9g}") for row in rows] for name in rows[0]}


json.dump(
    {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sft": columns(sft()),
        "reward": columns(reward()),
        "dpo": columns(dpo("sigmoid")),
        "ipo": columns(dpo("ipo")),
        "ppo": ppo(),
    },
    sys.stdout,
    separators=(",", ":"),
)
