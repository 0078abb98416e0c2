"""Trains a Unigram tokenizer with Hugging Face tokenizers, for comparison with trainUnigram.

    python tools/tokenizer/train-unigram.py CORPUS VOCAB_SIZE OUT.json       (CORPUS: UTF-8, a text a line)

Prints {"version": …, "seconds": CPU-seconds of training, all threads}.
"""
import json
import pathlib
import sys
import time

import tokenizers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

corpus, size, out = sys.argv[1:]
lines = pathlib.Path(corpus).read_text(encoding='utf-8').split('\n')
tokenizer = Tokenizer(models.Unigram())
tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
tokenizer.decoder = decoders.Metaspace()
trainer = trainers.UnigramTrainer(vocab_size=int(size), unk_token='<unk>', show_progress=False)
started = time.process_time()
tokenizer.train_from_iterator(lines, trainer)
seconds = time.process_time() - started
tokenizer.save(out)
print(json.dumps({'version': tokenizers.__version__, 'seconds': seconds}))
