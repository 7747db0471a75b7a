#!/usr/bin/env python3
"""Writes tests/e2e/demo_pooling.json: embeddings and judgements of the demo model as Transformers computes them.

    python tools/demo_pooling.py

Embeddings are of the last hidden state (behind the final norm), normalized: its last token, its mean, its first token.
The judge is Qwen3-Reranker's model card with the demo model in its place: its prompt, and softmax over "no" and "yes".
"""
import json
import pathlib
import sys
import tempfile

import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from variants import JUDGE, renamed_demo  # noqa: E402  pylint: disable=wrong-import-position

OUT = ROOT / "tests" / "e2e" / "demo_pooling.json"
TEXTS = ["The moon is big.", "Once upon a time there was a little girl who lived in a small house.", "sun"]
QUERY = "What is the capital of Norway?"
DOCUMENTS = ["Oslo is the capital of Norway.", "The moon is far away.", "I like to eat apples, and so do you."]
INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
PREFIX = ("<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
          "provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n")
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
SHOWN = 16  # leading elements of a vector that are kept


def listed(vector):
    return [float(f"{x:.7g}") for x in torch.nn.functional.normalize(vector.double(), dim=0)[:SHOWN].tolist()]


@torch.no_grad()
def main():
    tokenizer = transformers.AutoTokenizer.from_pretrained(ROOT / "demo")
    model = transformers.AutoModelForCausalLM.from_pretrained(ROOT / "demo", dtype=torch.float32).eval()
    embeddings = []
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        hidden = model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0]
        embeddings.append({"text": text, "tokens": ids.shape[1], "last": listed(hidden[-1]),
                           "mean": listed(hidden.double().mean(0)), "cls": listed(hidden[0])})
    with tempfile.TemporaryDirectory() as folder:  # the demo model has no token "yes"
        tokenizer = transformers.AutoTokenizer.from_pretrained(renamed_demo(folder, JUDGE))
    yes, no = (tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
    assert isinstance(yes, int) and isinstance(no, int) and yes != no
    scores = []
    for document in DOCUMENTS:
        middle = f"<Instruct>: {INSTRUCTION}\n<Query>: {QUERY}\n<Document>: {document}"
        ids = sum((tokenizer(part, add_special_tokens=False)["input_ids"] for part in (PREFIX, middle, SUFFIX)), [])
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1].double()
        scores.append(float(torch.softmax(logits[[no, yes]], 0)[1]))
    OUT.write_text(json.dumps({"embeddings": embeddings, "query": QUERY, "documents": DOCUMENTS, "scores": scores},
                              indent=1) + "\n")


if __name__ == "__main__":
    main()
