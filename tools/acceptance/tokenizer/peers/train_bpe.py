"""The other side of ../training/work.ts: Hugging Face's trainer on the same documents. Arguments: file, size of the vocabulary, file for the tokenizer."""
import json
import pathlib
import sys
import time

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / 'lib'))
from peak import peak_mib  # noqa: E402

path, vocab_size, out = sys.argv[1:4]
with open(path, encoding='utf-8', newline='') as file:
    documents = [text for text in file.read().split('\0') if text]
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
trainer = trainers.BpeTrainer(
    vocab_size=int(vocab_size), min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
)
started, cpu = time.perf_counter(), time.process_time()
tokenizer.train_from_iterator(documents, trainer)
seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
tokenizer.save(out)
print(json.dumps({'seconds': seconds, 'cpuSeconds': cpu, 'peakMiB': peak_mib(), 'version': tokenizers.__version__}))
