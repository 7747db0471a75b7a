"""Small checkpoints without a tokenizer.json, and what the reference gives for them.

    python tools/tokenizer_slow_golden.py tests/golden/tokenizers

SentencePiece models: ids by the Python package sentencepiece, texts by the decoders of tokenizers.
tiktoken and vocab/merges files: ids by a plain rank-merging loop, and by tokenizers. PLaMo: by trying
every cut. The folders have the same cases.json as those of tokenizer_golden.py.
"""

import base64
import io
import itertools
import json
import os
import random
import sys

import sentencepiece as spm
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, normalizers, Regex

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_golden as golden  # noqa: E402

SPM_DECODER = decoders.Sequence([
    decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])

SPM_DECODER_NO_PREFIX = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])


def write(folder, files, cases):
    os.makedirs(folder, exist_ok=True)
    for name, data in files.items():
        mode = "wb" if isinstance(data, bytes) else "w"
        with open(os.path.join(folder, name), mode, **({} if mode == "wb" else {"encoding": "utf-8"})) as file:
            file.write(data)
    with open(os.path.join(folder, "cases.json"), "w", encoding="utf-8") as file:
        file.write(golden.compact(cases) + "\n")


def texts(name, forbidden):
    out = golden.NASTY + golden.random_texts(name, 30) + golden.CORPUS
    return [t for t in out if not any(f in t for f in forbidden) and "\x00" not in t]


def train_spm(**options):
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(golden.CORPUS * 4), model_writer=model,
                                   minloglevel=2, hard_vocab_limit=False, **options)
    return model.getvalue()


def spm_case(out, name, config, prefix, suffix, **options):
    model = train_spm(**options)
    sp = spm.SentencePieceProcessor(model_proto=model)
    control = {sp.id_to_piece(i) for i in range(sp.get_piece_size()) if sp.is_control(i) or sp.is_unknown(i)}
    rng = random.Random(name)
    encode = []
    for text in texts(name, control):
        ids = sp.encode(text)
        encode.append([text, prefix + ids + suffix, ids])
    decode = []
    lists = [e[1] for e in encode[::5]]
    lists += [[rng.randrange(sp.get_piece_size()) for _ in range(rng.randint(0, 9))] for _ in range(30)]
    for ids in lists:
        def text(skip):
            return (SPM_DECODER if options.get("add_dummy_prefix", True) else SPM_DECODER_NO_PREFIX).decode([sp.id_to_piece(i) for i in ids if not (skip and sp.id_to_piece(i) in control)])
        decode.append([ids, text(True), text(False)])
    write(os.path.join(out, name), {"tokenizer.model" if "t5" not in name else "spiece.model": model,
                                    "tokenizer_config.json": json.dumps(config) + "\n"},
          {"encode": encode, "decode": decode})


def rank_merge(ranks, piece):
    """tiktoken's loop: join the pair whose whole has the lowest rank, the leftmost of equals."""
    if piece in ranks:
        return [ranks[piece]]
    parts = [piece[i:i + 1] for i in range(len(piece))]
    while True:
        pairs = [(ranks[a + b], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in ranks]
        if not pairs:
            return [ranks[p] for p in parts]
        i = min(pairs)[1]
        parts[i:i + 2] = [parts[i] + parts[i + 1]]


def byte_vocab():
    tok = Tokenizer.from_str(golden.qwen().to_str())
    back = {c: b for b, c in enumerate(byte_chars())}
    data = json.loads(tok.to_str())["model"]
    return {bytes(back[c] for c in token): i for token, i in data["vocab"].items()}, data


def byte_chars():
    printable = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = itertools.count(256)
    return [chr(b) if b in printable else chr(next(rest)) for b in range(256)]


def tiktoken_case(out, name, file_name, pattern, nfc, special):
    ranks, _ = byte_vocab()
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    end = len(ranks)
    encode = []
    for text in texts(name, ["<|"]):
        normal = normalizers.NFC().normalize_str(text) if nfc else text
        ids = [i for piece, _ in split.pre_tokenize_str(normal) for i in rank_merge(ranks, piece.encode())]
        encode.append([text, ids, ids])
    for i, token in enumerate(special):
        encode.append(["a" + token, [ranks[b"a"], end + i], [ranks[b"a"], end + i]])
    back = {i: b for b, i in ranks.items()}
    rng = random.Random(name)
    decode = []
    for _ in range(30):
        ids = [rng.randrange(end) for _ in range(rng.randint(0, 12))]
        text = b"".join(back[i] for i in ids).decode("utf-8", errors="replace")
        decode.append([ids, text, text])
    lines = b"".join(base64.b64encode(b) + b" %d\n" % i for b, i in sorted(ranks.items(), key=lambda x: x[1]))
    write(os.path.join(out, name), {file_name: lines}, {"encode": encode, "decode": decode})


def gpt2_case(out):
    tok = Tokenizer.from_str(golden.gpt2().to_str())
    data = json.loads(tok.to_str())["model"]
    encode = []
    for text in texts("slow_gpt2", ["<"]):
        ids = tok.encode(text).ids
        encode.append([text, [0] + ids, ids])
    decode = [[e[2], tok.decode(e[2]), tok.decode(e[2])] for e in encode]
    merges = "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in data["merges"])
    config = {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "bos_token": tok.id_to_token(0)}
    encode = [e for e in encode if tok.id_to_token(0) not in e[0]]
    write(os.path.join(out, "slow_gpt2"), {"vocab.json": golden.compact(data["vocab"]) + "\n", "merges.txt": merges,
                                           "tokenizer_config.json": json.dumps(config) + "\n"},
          {"encode": encode, "decode": [[e[2], tok.decode(e[2]), tok.decode(e[2], skip_special_tokens=False)]
                                        for e in encode if 0 not in e[2]]})


def bert_case(out):
    tok = Tokenizer.from_str(golden.bert().to_str())
    tok.model.max_input_chars_per_word = 100
    vocab = sorted(tok.get_vocab().items(), key=lambda x: x[1])
    encode = [[t, tok.encode(t).ids, tok.encode(t, add_special_tokens=False).ids] for t in texts("slow_bert", ["[UNK"])]
    decode = [[e[1], tok.decode(e[1]), tok.decode(e[1], skip_special_tokens=False)] for e in encode]
    write(os.path.join(out, "slow_bert"), {"vocab.txt": "".join(t + "\n" for t, _ in vocab)},
          {"encode": encode, "decode": decode})


def plamo_case(out):
    rng = random.Random("plamo")
    tokens = [["<|plamo:%s|>" % n, 0.0, "CONTROL"] for n in ("unk", "bos", "eos", "pad")]
    tokens += [["<0x%02X>" % b, 0.0, "BYTE"] for b in range(256)]
    pieces = set()
    while len(pieces) < 260:
        word = rng.choice(golden.CORPUS)
        at = rng.randrange(len(word))
        pieces.add(word[at:at + rng.choice([1, 1, 2, 2, 3, 4, 6])])
    tokens += [[p, round(rng.uniform(-9, -1) * len(p) ** 0.6, 5), "NORMAL"] for p in sorted(pieces - {""})]
    ids = {t[0]: i for i, t in enumerate(tokens)}
    costs = {t[0]: -round(t[1] * 1e4) for t in tokens if t[2] != "BYTE"}

    def best(text):
        cost = [0] * (len(text) + 1)
        step = [None] * (len(text) + 1)
        for at in range(len(text) - 1, -1, -1):
            options = [(costs[text[at:end]] + cost[end], -end, [ids[text[at:end]]])
                       for end in range(at + 1, len(text) + 1) if text[at:end] in costs]
            options.append((10_000_000 + cost[at + 1], 0, [ids["<0x%02X>" % b] for b in text[at].encode()]))
            choice = min(options, key=lambda o: o[:2])
            cost[at] = choice[0]
            step[at] = (choice[2], at + 1 if choice[1] == 0 else -choice[1])
        found, at = [], 0
        while at < len(text):
            found += step[at][0]
            at = step[at][1]
        return found

    encode = [[t, best(t), best(t)] for t in texts("plamo", ["<|"])]
    decode = []
    for _ in range(30):
        some = [rng.randrange(4, len(tokens)) for _ in range(rng.randint(0, 10))]
        data = b"".join(bytes([int(tokens[i][0][3:5], 16)]) if tokens[i][2] == "BYTE" else tokens[i][0].encode() for i in some)
        text = data.decode("utf-8", errors="replace")
        decode.append([some, text, text])
    write(os.path.join(out, "slow_plamo"), {"tokenizer.jsonl": "".join(golden.compact(t) + "\n" for t in tokens)},
          {"encode": encode, "decode": decode})


def main(out):
    llama = {"normalization_rule_name": "identity", "byte_fallback": True, "remove_extra_whitespaces": False,
             "split_digits": True, "allow_whitespace_only_pieces": True}
    spm_case(out, "slow_spm_llama", {"tokenizer_class": "LlamaTokenizer", "legacy": True}, [1], [],
             model_type="bpe", vocab_size=620, character_coverage=0.98, user_defined_symbols=["<u>", "<u>x"], **llama)
    spm_case(out, "slow_spm_t5", {"tokenizer_class": "T5Tokenizer"}, [], [1], model_type="unigram", vocab_size=300,
             pad_id=0, eos_id=1, unk_id=2, bos_id=-1, normalization_rule_name="nmt_nfkc")
    spm_case(out, "slow_spm_gemma", {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True}, [2], [], model_type="unigram",
             vocab_size=600, pad_id=0, eos_id=1, bos_id=2, unk_id=3, add_dummy_prefix=False, **llama)
    tiktoken_case(out, "slow_qwen", "qwen.tiktoken", golden.QWEN, True, ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|extra_0|>"])
    tiktoken_case(out, "slow_llama3", "tokenizer.model", golden.GPT4, False, [])
    gpt2_case(out)
    bert_case(out)
    plamo_case(out)


if __name__ == "__main__":
    main(sys.argv[1])
