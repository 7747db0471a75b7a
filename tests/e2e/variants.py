"""The demo model with some of its added tokens renamed, for what needs tokens that it does not have."""
import json
import pathlib
import shutil

DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo"
JUDGE = {"<tool_response>": "yes"}  # it has "no"
FILL = {"<tool_call>": "<|fim_prefix|>", "</tool_call>": "<|fim_suffix|>", "<tool_response>": "<|fim_middle|>",
        "</tool_response>": "<|repo_name|>"}


def renamed_demo(folder, names):
    """A copy in `folder` whose tokenizer spells the added tokens `names[old]` instead of `old`."""
    folder = pathlib.Path(folder)
    for path in DEMO.iterdir():
        if path.is_file():
            shutil.copy(path, folder / path.name)
    text = (DEMO / "tokenizer.json").read_text()
    tokenizer = json.loads(text)
    added = {token["content"]: token for token in tokenizer["added_tokens"]}
    for old, new in names.items():
        added[old]["content"] = new
        vocab = tokenizer["model"]["vocab"]
        if old in vocab:
            vocab[new] = vocab.pop(old)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    settings = (DEMO / "tokenizer_config.json").read_text()
    for old, new in names.items():
        settings = settings.replace(json.dumps(old), json.dumps(new))
    (folder / "tokenizer_config.json").write_text(settings)
    return folder
