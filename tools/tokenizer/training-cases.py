"""Trains by Hugging Face's trainers what this package has trained, and loads what it wrote.

    python tools/tokenizer/training-cases.py FILE OUT

FILE is {"cases": [{"case": options, see hf_training.py, "texts": […], "samples": […], "ours": tokenizer.json as text}]}; OUT becomes a list of {"vocab": tokens in the
order of their ids, "merges": ["left right"], "ids": of each sample by its own tokenizer, "loaded": the same by ours, loaded there}. Prints the library's version.
"""
import json
import pathlib
import sys

import tokenizers
from hf_training import train
from tokenizers import Tokenizer

results = []
for entry in json.loads(pathlib.Path(sys.argv[1]).read_text())['cases']:
    theirs = train(entry['case'], entry['texts'])
    model = json.loads(theirs.to_str())['model']
    ours = Tokenizer.from_str(entry['ours'])
    results.append({
        'vocab': sorted(model['vocab'], key=model['vocab'].get),
        'merges': [' '.join(merge) for merge in model.get('merges', [])],
        'ids': [theirs.encode(text).ids for text in entry['samples']],
        'loaded': [ours.encode(text).ids for text in entry['samples']],
    })
pathlib.Path(sys.argv[2]).write_text(json.dumps(results))
print(json.dumps({'version': tokenizers.__version__}))
