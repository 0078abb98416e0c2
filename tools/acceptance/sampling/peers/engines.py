"""Engines of grammars in Python, asked as those in JavaScript are (contests/contest.ts).

    python engines.py ENGINE VOCABULARY.json      ENGINE: llguidance | xgrammar

The vocabulary is {"tokens": [base64 or null], "end": id}. The first line that is printed says that the engine is ready and how long its vocabulary
took; then each line of JSON with a job on standard input is answered by one line. Masks are timed with taking the token before them in, as ours are.
"""

import base64
import json
import sys
import time

import numpy as np

# How cl100k_base splits texts, as tiktoken publishes it (tiktoken_ext/openai_public.py): where text is forced, llguidance allows the token that
# the tokenizer would take.
CL100K = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
)


class LLGuidance:
    def __init__(self, tokens, end):
        import llguidance
        from importlib.metadata import version

        self.runtime = f"llguidance {version('llguidance')}"
        self.library = llguidance
        ranks = {one: i for i, one in enumerate(tokens) if one is not None}
        special = {"<|%d|>" % i: i for i, one in enumerate(tokens) if one is None}
        start = time.perf_counter()
        self.tokenizer = llguidance.LLTokenizer.from_tiktoken(
            encoder=ranks,
            special_tokens=special,
            pattern=CL100K,
            eos_token=end,
            n_vocab=len(tokens),
            slices=llguidance.LLTokenizer.json_slices(),
        )
        self.preparation = (time.perf_counter() - start) * 1000
        self.words = (len(tokens) + 31) // 32
        self.bits = np.zeros(self.words, dtype=np.int32)

    def compile(self, job):
        matcher = self.library.LLMatcher
        grammar = matcher.grammar_from_json_schema(job["schema"], overrides={"whitespace_flexible": False})
        first = matcher(self.tokenizer, grammar, log_level=0)
        if first.is_error():
            raise ValueError(first.get_error())
        return first

    def follower(self, compiled):
        # The same one from the beginning, which keeps what it has found out.
        compiled.reset()
        return compiled

    def mask(self, follower):
        follower.unsafe_compute_mask_ptr(self.bits.ctypes.data, self.bits.nbytes)
        return self.bits

    def accept(self, follower, token):
        if not follower.consume_token(token):
            raise ValueError(follower.get_error())


class XGrammar:
    def __init__(self, tokens, end):
        import torch
        import xgrammar
        from importlib.metadata import version

        torch.set_num_threads(1)
        self.runtime = f"xgrammar {version('xgrammar')}"
        self.library = xgrammar
        raw = [b"" if one is None else one for one in tokens]
        start = time.perf_counter()
        info = xgrammar.TokenizerInfo(raw, xgrammar.VocabType.RAW, vocab_size=len(raw), stop_token_ids=[end])
        self.compiler = xgrammar.GrammarCompiler(info, max_threads=2, cache_enabled=False)
        self.preparation = (time.perf_counter() - start) * 1000
        self.given = xgrammar.allocate_token_bitmask(1, len(raw))
        self.bits = self.given.numpy()[0]

    def compile(self, job):
        # Compact text as ours, and not its strict mode, which takes objects and arrays for closed.
        return self.compiler.compile_json_schema(
            job["schema"], any_whitespace=False, separators=(",", ":"), strict_mode=False, any_order=job["anyOrder"]
        )

    def follower(self, compiled):
        return self.library.GrammarMatcher(compiled)

    def mask(self, follower):
        # Where everything is allowed it leaves the mask as it was.
        if not follower.fill_next_token_bitmask(self.given):
            self.bits.fill(-1)
        return self.bits

    def accept(self, follower, token):
        if not follower.accept_token(token):
            raise ValueError(f"token {token} was in the mask and is not accepted")


def follow(engine, compiled, texts, end, deadline):
    times, answers = [], []
    for ids in texts:
        follower = engine.follower(compiled)
        answer = {"accepted": True}
        for at in range(len(ids) + 1):
            if time.perf_counter() > deadline:
                answer = {"stoppedAt": at}
                break
            start = time.perf_counter()
            if at > 0:
                engine.accept(follower, ids[at - 1])
            bits = engine.mask(follower)
            times.append(round((time.perf_counter() - start) * 1e6, 2))
            token = ids[at] if at < len(ids) else end
            if (int(bits[token >> 5]) >> (token & 31)) & 1 == 0:
                answer = {"accepted": False, "stoppedAt": at}
                break
        answers.append(answer)
    return times, answers


def answer_of(engine, job, end):
    start = time.perf_counter()
    try:
        compiled = engine.compile(job)
    except Exception as error:
        return {"refused": str(error)[:300], "compile": (time.perf_counter() - start) * 1000}
    compile_time = (time.perf_counter() - start) * 1000
    deadline = time.perf_counter() + job["seconds"]
    try:
        measured, others = job["texts"][: job["measured"]], job["texts"][job["measured"] :]
        masks, answers = follow(engine, compiled, measured, end, deadline)
        _, more = follow(engine, compiled, others, end, deadline)
        again, _ = follow(engine, compiled, measured, end, deadline)
        return {"compile": compile_time, "masks": masks, "again": again, "texts": answers + more}
    except Exception as error:
        return {"refused": f"while following a text: {error}"[:300], "compile": compile_time}


def main():
    name, path = sys.argv[1:3]
    with open(path, encoding="utf-8") as file:
        given = json.load(file)
    tokens = [None if one is None else base64.b64decode(one) for one in given["tokens"]]
    engine = {"llguidance": LLGuidance, "xgrammar": XGrammar}[name](tokens, given["end"])

    def send(line):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    send({"runtime": engine.runtime, "preparation": engine.preparation})
    for line in sys.stdin:
        send(answer_of(engine, json.loads(line), given["end"]))


main()
