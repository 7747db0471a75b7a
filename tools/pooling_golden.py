#!/usr/bin/env python3
"""Writes tests/golden/pooling/NAME.json: what Transformers' hidden states of a golden model pool to.

    python tools/pooling_golden.py [NAME ...]

first, last and mean are of the last hidden state (behind the final norm), as sentence-transformers pools them
before it normalizes; yes is softmax over the logits of two tokens, as Qwen3-Reranker's model card computes it.
"""
import json
import sys

import torch
import transformers

from golden_configs import CONFIGS
from make_golden import OUT, Golden

NAMES = ("qwen3_1", "qwen2_1", "gemma3_1")
COUNTS = (1, 17, 56)  # leading tokens of the golden prompt
YES, NO = 3, 5


def rounded(tensor):
    return [float(f"{x:.7g}") for x in tensor.tolist()]


@torch.no_grad()
def make(name):
    golden = Golden(name, CONFIGS[name])
    stored = json.loads((OUT / f"{name}.json").read_text())
    model = golden.load(golden.weights(stored["seed"]))
    cases = []
    for count in COUNTS:
        ids = torch.tensor([stored["prompt"][:count]])
        output = model(input_ids=ids, output_hidden_states=True, use_cache=False)
        hidden = output.hidden_states[-1][0]
        logits = output.logits[0, -1]
        cases.append({"count": count, "first": rounded(hidden[0]), "last": rounded(hidden[-1]),
                      "mean": rounded(hidden.double().mean(0)),
                      "yes": float(torch.softmax(logits[[NO, YES]].double(), 0)[1])})
    out = {"oracle": f"transformers {transformers.__version__}, float32, eager", "yes_id": YES, "no_id": NO,
           "cases": cases}
    (OUT / "pooling").mkdir(exist_ok=True)
    (OUT / "pooling" / f"{name}.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or NAMES:
        make(chosen)
