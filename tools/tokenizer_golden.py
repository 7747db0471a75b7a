"""Trains small tokenizers that between them use every component of tokenizer.json, and writes what
the tokenizers library gives for nasty and random texts.

    python tools/tokenizer_golden.py tests/golden/tokenizers

Each folder gets tokenizer.json and cases.json: {"encode": [[text, ids with special tokens, ids
without]], "decode": [[ids, text without special tokens, text with them]]}.
"""

import base64
import json
import os
import random
import struct
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

CORPUS = [
    "The quick brown fox jumps over the lazy dog. It's a dog's life, isn't it? We'll see; they've gone.",
    "def main(argc: int) -> None:\n    for i in range(10):\n\tprint(f'{i:>3}', end=\"\\n\")\n\n",
    "Don't do that! I'm sure you're right, but they'd 've known. 3.14159 and 1,234,567 items.",
    "你好，世界。今天天气很好，我们去公园吧。中文分词测试。",
    "こんにちは世界。カタカナとひらがな、漢字。スーパーマーケット",
    "안녕하세요 세계. 한국어 토큰화 테스트입니다.",
    "Привет, мир! Съешь ещё этих мягких французских булок.",
    "مرحبا بالعالم. هذا اختبار للغة العربية ١٢٣",
    "नमस्ते दुनिया। यह एक परीक्षण है। क्षत्रिय",
    "Ünïcödé ñandú café résumé naïve Ångström İstanbul ﬁ ﬂ ½ ² ™",
    "https://example.com/path?query=1&b=two#frag user@example.org C++ C# F# x86_64",
    "<s> hello </s> [CLS] words [SEP] <|im_start|>user\nHi<|im_end|>",
    "emoji 😀👍🏽👨‍👩‍👧‍👦🇩🇪 mixed ❤️ text",
]

NASTY = [
    "", " ", "  ", "a", " a", "a ", "  a  b  ", "\n", "\r\n", "\t\t", "a\n\nb\r\n\r\nc", "\u00a0x\u3000y",
    "don't DON'T I'LL we'Ve it\u2019s 'S 's '\u017f", "1234567890 12 3 4567,89", "a1b22c333", "...!!!???", "!a?b.c",
    "   leading", "trailing   ", "mid   dle", "tab\tsep", "\u200bzero\u200dwidth\ufeff", "e\u0301 \u00e9 \u1e9b\u0323",
    "\u0041\u030a \u212b \ufb01 \u2460 \u3300 \uff21\uff22", "\u0130\u0131 \u1e9e \u03a3\u03a3\u03c2 \u01c5",
    "\ud55c\uae00 \u1112\u1161\u11ab", "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea",
    "\U00020000\U0002a6d6 \u9fff\u3400", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u202eRTL\u202c \u061c", "\x00\x01\x7f\x85\x9f",
    "\u2581under \u2581\u2581two", "\u0120\u010a byte chars \u0121", "<0x41><0x> <0xZZ>", "<unk><s></s><pad>", "[MASK] [mask]",
    "x<extra>y <extra> z", "lstrip   <ls>  x", "a  <rs>   b", "word<sw>word <sw> .<sw>.", "NORMtoken normTOKEN", "<ext<extra>ra>",
    "<extra><extra>", "  <extra>  ", "\ufffd\ufffe", "\u0378\U000e0001\U0010ffff", "\u05d0\u05b8\u05d1 \u0928\u0940",
    "\u4e2d\u6587abc\u4e2d123\u6587", "\u3042\u30a2\u4e00\u30fc", "snake_case camelCase kebab-case", "(a)[b]{c}<d>", "a-b--c---d", "\u2014\u2013\u2026\u201cq\u201d",
    "a" * 70, "ab" * 60, " " * 40, "\u4e2d" * 50, "=" * 33 + "\n" * 5, "aaaaaaaaaaaabaaaaaaaab",
]

POOL = (
    "aabcdeetinorsl  ,.'!?-_<>[]0123456789\n\t\r"
    "éñüßÅ中文字天好世界あアんン한글Приветمرحباनमस्ते\u0301\u0308\u200d\u00a0\u3000\u2581\u0120😀👍🏽ﬁ①\u0130ABCDEZ"
)


def random_texts(seed, count):
    rng = random.Random(seed)
    words = " ".join(CORPUS).split(" ")
    out = []
    for i in range(count):
        if i % 2:
            out.append("".join(rng.choice(POOL) for _ in range(rng.randint(1, 24))))
        else:
            parts = [rng.choice(words)[: rng.randint(1, 9)] for _ in range(rng.randint(1, 6))]
            out.append(rng.choice(["", " ", "\n"]).join(parts) + rng.choice(["", " ", "."]))
    return out


def charsmap(rules):
    """A precompiled charsmap: Darts double array over UTF-8 keys, with blocks of 256 units."""
    texts = b""
    trie = {}
    for key, value in rules.items():
        node = trie
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[None] = len(texts)
        texts += value.encode() + b"\0"
    units = [0] * 256
    blocks = [1]

    def offset_bits(offset):
        assert offset < 1 << 29
        if offset < 1 << 21:
            return offset << 10
        assert offset & 0xFF == 0
        return (offset >> 8 << 10) | 1 << 9

    def place(node, at):
        base = blocks[0] * 256
        blocks[0] += 1
        units.extend([0] * 256)
        units[at] |= offset_bits(at ^ base)
        if None in node:
            units[at] |= 1 << 8
            units[base] = node[None] | 1 << 31
        for byte, child in node.items():
            if byte is not None:
                units[base ^ byte] |= byte
                place(child, base ^ byte)

    place(trie, 0)
    blob = b"".join(struct.pack("<I", unit) for unit in units)
    return struct.pack("<I", len(blob)) + blob + texts


RULES = {"\t": " ", "\n": " ", "\u3000": " ", "\u00a0": " ", "ﬁ": "fi", "①": "1", "²": "2", "½": "1/2", "e\u0301": "é",
         "\r\n": " ", "\u200b": "", "Å": "A", "ア": "a", "™": "TM"}

GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = GPT4.replace("{1,3}", "")
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
KIMI = "|".join([
    r"[\p{Han}]+", r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def bpe(**options):
    return Tokenizer(models.BPE(**options))


def train_bpe(tok, size=420, **options):
    options.setdefault("initial_alphabet", [])
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=size, show_progress=False, **options))
    return tok


def byte_level(pre, size=420, **options):
    tok = bpe()
    tok.pre_tokenizer = pre
    tok.decoder = decoders.ByteLevel()
    return train_bpe(tok, size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
EXTRA = [
    AddedToken("<extra>", normalized=False, special=True),
    AddedToken("<ls>", lstrip=True, normalized=False, special=True),
    AddedToken("<rs>", rstrip=True, normalized=False, special=False),
    AddedToken("<sw>", single_word=True, normalized=False, special=False),
    AddedToken("NORMtoken", normalized=True, special=False),
    AddedToken("<unk>", normalized=False, special=True),
]


def gpt2():
    tok = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    return tok


def roberta():
    tok = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), special_tokens=["<s>", "</s>"])
    tok.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return tok


def qwen():
    tok = byte_level(pre_tokenizers.Sequence([split(QWEN), BYTES]))
    tok.normalizer = normalizers.NFC()
    return tok


def llama3():
    tok = byte_level(pre_tokenizers.Sequence([split(GPT4), BYTES]), special_tokens=["<s>", "</s>"])
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing("<s> $A </s>", "<s> $A <s> $B", [("<s>", 0), ("</s>", 1)])])
    data = json.loads(tok.to_str())
    data["model"]["ignore_merges"] = True
    return Tokenizer.from_str(json.dumps(data))


def o200k():
    return byte_level(pre_tokenizers.Sequence([split(O200K), BYTES]))


def kimi():
    return byte_level(pre_tokenizers.Sequence([split(KIMI), BYTES]))


def deepseek():
    return byte_level(pre_tokenizers.Sequence([
        split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"),
        split("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"),
        BYTES]))


def starcoder():
    return byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]))


def falcon():
    return byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
        pre_tokenizers.Digits(individual_digits=False), split("[0-9][0-9][0-9]")]))


def byte_normalizer():
    tok = bpe()
    tok.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.ByteLevel()])
    tok.pre_tokenizer = split(r"Ġ?[^Ġ]+|Ġ")
    tok.decoder = decoders.ByteLevel()
    return train_bpe(tok, 380, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def llama2():
    tok = bpe(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    fallback = ["<0x%02X>" % byte for byte in range(256)]
    train_bpe(tok, 620, special_tokens=["<unk>", "<s>", "</s>"] + fallback)
    data = json.loads(tok.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
    data["pre_tokenizer"] = None
    tok = Tokenizer.from_str(json.dumps(data))
    tok.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s>:1 $B:1", [("<s>", 1)])
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tok


def metaspace_first():
    tok = Tokenizer.from_str(llama2().to_str())
    tok.normalizer = None
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tok.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")])
    return tok


def gemma():
    tok = Tokenizer.from_str(llama2().to_str())
    tok.normalizer = normalizers.Replace(" ", "▁")
    tok.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tok


def bpe_no_unk():
    tok = bpe(byte_fallback=True)
    tok.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tok.decoder = decoders.Fuse()
    return train_bpe(tok, 200, special_tokens=["<0x%02X>" % byte for byte in range(0x80)], limit_alphabet=60)


def bpe_unk():
    tok = bpe(unk_token="<unk>")
    tok.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    return train_bpe(tok, 200, special_tokens=["<unk>"], limit_alphabet=40)


def bpe_suffix():
    tok = bpe(unk_token="<unk>", end_of_word_suffix="</w>", fuse_unk=True)
    tok.normalizer = normalizers.BertNormalizer()
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.decoder = decoders.BPEDecoder("</w>")
    return train_bpe(tok, 300, special_tokens=["<unk>"], end_of_word_suffix="</w>", limit_alphabet=60)


def bpe_prefix():
    tok = bpe(unk_token="<unk>", continuing_subword_prefix="##")
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("removed")])
    tok.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    return train_bpe(tok, 300, special_tokens=["<unk>"], continuing_subword_prefix="##", limit_alphabet=80)


def bert():
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    tok.normalizer = normalizers.BertNormalizer(lowercase=True)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tok.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=360, special_tokens=special, show_progress=False))
    tok.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tok.decoder = decoders.WordPiece()
    return tok


def bert_cased():
    tok = Tokenizer.from_str(bert().to_str())
    tok.normalizer = normalizers.Sequence([
        normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=True, lowercase=False),
        normalizers.NFC()])
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_previous"), pre_tokenizers.UnicodeScripts()])
    tok.post_processor = processors.TemplateProcessing("[CLS]:0 $A:0 [SEP]:0 [SEP]:0", None, [("[CLS]", 2), ("[SEP]", 3)])
    return tok


def unigram(size, **options):
    tok = Tokenizer(models.Unigram())
    tok.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    tok.train_from_iterator(CORPUS * 3, trainers.UnigramTrainer(vocab_size=size, show_progress=False, unk_token="<unk>", **options))
    return tok


def t5():
    tok = unigram(300, special_tokens=["<pad>", "</s>", "<unk>"])
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tok.decoder = decoders.Metaspace()
    tok.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    return tok


def xlmr():
    tok = unigram(320, special_tokens=["<s>", "<pad>", "</s>", "<unk>"])
    data = json.loads(tok.to_str())
    data["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap(RULES)).decode()},
        {"type": "Strip", "strip_left": False, "strip_right": True},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}]}
    data["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    data["decoder"] = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    tok = Tokenizer.from_str(json.dumps(data))
    return tok


def unigram_bytes():
    tok = unigram(280, special_tokens=["<unk>"])
    data = json.loads(tok.to_str())
    data["model"]["vocab"] += [["<0x%02X>" % byte, -20.0] for byte in range(256)]
    data["model"]["byte_fallback"] = True
    data["normalizer"] = None
    data["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": False}
    tok = Tokenizer.from_str(json.dumps(data))
    tok.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never"), decoders.Fuse(), decoders.Strip(" ", 1, 1)])
    return tok


def word_level():
    tok = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tok.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFD(), normalizers.Lowercase()])
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit("-"), pre_tokenizers.Whitespace()])
    tok.train_from_iterator(CORPUS, trainers.WordLevelTrainer(vocab_size=200, special_tokens=["<unk>"], show_progress=False))
    return tok


def ctc():
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|"] + list("abcdefghijklmnopqrstuvwxyz'.,")
    tok = Tokenizer(models.WordLevel({c: i for i, c in enumerate(letters)}, unk_token="<unk>"))
    tok.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "|")])
    tok.pre_tokenizer = split("", "isolated")
    tok.decoder = decoders.CTC()
    return tok


def behaviors(behavior, invert):
    def make():
        tok = Tokenizer(models.WordLevel(unk_token="<unk>"))
        tok.pre_tokenizer = pre_tokenizers.Sequence([split(r"\s|[a-f]{2,}|\d+", behavior, invert)])
        tok.train_from_iterator(CORPUS + NASTY, trainers.WordLevelTrainer(vocab_size=300, special_tokens=["<unk>"], show_progress=False))
        tok.decoder = decoders.Sequence([decoders.Replace(Regex("[aeiou]+"), "*"), decoders.Strip("*", 1, 0)])
        return tok
    return make


def legacy():
    data = json.loads(gpt2().to_str())
    data["model"].pop("type")
    data["model"]["merges"] = ["#version: 0.2"] + [" ".join(m) for m in data["model"]["merges"]]
    for key in ("ignore_merges", "byte_fallback", "fuse_unk", "dropout"):
        data["model"].pop(key, None)
    data["pre_tokenizer"].pop("use_regex", None)
    data["decoder"] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
    return json.dumps(data)


CONFIGS = {
    "gpt2": gpt2, "roberta": roberta, "qwen": qwen, "llama3": llama3, "o200k": o200k, "kimi": kimi,
    "deepseek": deepseek, "starcoder": starcoder, "falcon": falcon, "byte_normalizer": byte_normalizer,
    "llama2": llama2, "metaspace_first": metaspace_first, "gemma": gemma, "bpe_no_unk": bpe_no_unk,
    "bpe_unk": bpe_unk, "bpe_suffix": bpe_suffix, "bpe_prefix": bpe_prefix, "bert": bert, "bert_cased": bert_cased,
    "t5": t5, "xlmr": xlmr, "unigram_bytes": unigram_bytes, "word_level": word_level, "ctc": ctc, "legacy": legacy,
    "split_removed": behaviors("removed", False), "split_removed_inverted": behaviors("removed", True),
    "split_previous": behaviors("merged_with_previous", False), "split_next": behaviors("merged_with_next", False),
    "split_next_inverted": behaviors("merged_with_next", True), "split_contiguous": behaviors("contiguous", False),
}


def compact(data):
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def make(name):
    made = CONFIGS[name]()
    if isinstance(made, str):
        return made
    if name not in ("bert", "ctc"):
        made.add_tokens([t for t in EXTRA if made.token_to_id(t.content) is None or t.content != "<unk>"])
    return made.to_str()


def cases(tok, name):
    rng = random.Random(name)
    texts = NASTY + random_texts(name, 24)
    encode, decode = [], []
    for text in texts:
        encode.append([text, tok.encode(text).ids, tok.encode(text, add_special_tokens=False).ids])
    ids_all = [i for i in range(tok.get_vocab_size()) if tok.id_to_token(i) is not None]
    lists = [e[2] for e in encode[::6]] + [[rng.choice(ids_all) for _ in range(rng.randint(0, 12))] for _ in range(24)]
    fallback = [i for i in ids_all if (tok.id_to_token(i) or "").startswith("<0x")]
    if fallback:
        lists += [[rng.choice(fallback if rng.random() < 0.8 else ids_all) for _ in range(6)] for _ in range(12)]
        emoji = [tok.token_to_id("<0x%02X>" % b) for b in "😀é".encode()]
        if None not in emoji:
            lists += [emoji, emoji[:3], emoji + emoji[:2] + ids_all[-1:] + emoji]
    for ids in lists:
        try:
            decode.append([ids, tok.decode(ids, skip_special_tokens=True), tok.decode(ids, skip_special_tokens=False)])
        except BaseException as error:  # the library's Strip decoder panics on tokens shorter than its limit
            if type(error).__name__ != "PanicException":
                raise
    return {"encode": encode, "decode": decode}


def main(out):
    for name in CONFIGS:
        text = make(name)
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
            file.write(compact(json.loads(text)) + "\n")
        tok = Tokenizer.from_str(text)
        with open(os.path.join(folder, "cases.json"), "w", encoding="utf-8") as file:
            file.write(compact(cases(tok, name)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
