"""`quire quantize` as a user runs it, on random checkpoints that this test writes.

The codes are unpacked here by MLX's documented layout (little-endian streams, weight = code * scale + bias), and each
weight must lie within half a step of its original; names and shapes are those of mlx-lm's switch_mlp, embed_q and
unembed_out. Equality with MLX itself, bit for bit, is checked by tools/quantize_diff.py, which needs mlx.
"""
import array
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from harness import DEMO, Server

BINARY = None
COMMON = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, vocab_size=128, max_position_embeddings=256,
              rms_norm_eps=1e-6, tie_word_embeddings=False, hidden_act="silu", num_experts_per_tok=2,
              moe_intermediate_size=64, intermediate_size=128)
MOE = dict(COMMON, model_type="qwen3_moe", architectures=["Qwen3MoeForCausalLM"], num_key_value_heads=2, head_dim=32,
           num_experts=4, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[])
MLA = dict(COMMON, model_type="deepseek_v3", architectures=["DeepseekV3ForCausalLM"], num_key_value_heads=2,
           q_lora_rank=64, kv_lora_rank=64, qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=64,
           n_routed_experts=4, n_shared_experts=1, n_group=1, topk_group=1, routed_scaling_factor=1.0,
           norm_topk_prob=True, first_k_dense_replace=1, moe_layer_freq=1, topk_method="noaux_tc",
           scoring_func="sigmoid", rope_theta=10000.0)


def mlp(stem, hidden, inner):
    return {f"{stem}.gate_proj.weight": (inner, hidden), f"{stem}.up_proj.weight": (inner, hidden),
            f"{stem}.down_proj.weight": (hidden, inner)}


def shapes(c):
    d, moe = c["hidden_size"], c["moe_intermediate_size"]
    out = {"model.embed_tokens.weight": (c["vocab_size"], d), "model.norm.weight": (d,),
           "lm_head.weight": (c["vocab_size"], d)}
    is_mla = c["model_type"] == "deepseek_v3"
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}"
        out |= {f"{p}.input_layernorm.weight": (d,), f"{p}.post_attention_layernorm.weight": (d,)}
        heads = c["num_attention_heads"]
        if is_mla:
            rank, nope, rope, value = (c[key] for key in ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim",
                                                          "v_head_dim"))
            out |= {f"{p}.self_attn.q_a_proj.weight": (c["q_lora_rank"], d),
                    f"{p}.self_attn.q_a_layernorm.weight": (c["q_lora_rank"],),
                    f"{p}.self_attn.q_b_proj.weight": (heads * (nope + rope), c["q_lora_rank"]),
                    f"{p}.self_attn.kv_a_proj_with_mqa.weight": (rank + rope, d),
                    f"{p}.self_attn.kv_a_layernorm.weight": (rank,),
                    f"{p}.self_attn.kv_b_proj.weight": (heads * (nope + value), rank),
                    f"{p}.self_attn.o_proj.weight": (d, heads * value)}
        else:
            e = c["head_dim"]
            for name in "qkv":
                out[f"{p}.self_attn.{name}_proj.weight"] = (heads * e, d)
            out |= {f"{p}.self_attn.o_proj.weight": (d, heads * e), f"{p}.self_attn.q_norm.weight": (e,),
                    f"{p}.self_attn.k_norm.weight": (e,)}
        if is_mla and layer < c["first_k_dense_replace"]:
            out |= mlp(f"{p}.mlp", d, c["intermediate_size"])
            continue
        out[f"{p}.mlp.gate.weight"] = (c.get("num_experts", 4), d)
        if is_mla:
            out[f"{p}.mlp.gate.e_score_correction_bias"] = (4,)
            out |= mlp(f"{p}.mlp.shared_experts", d, moe)
        for x in range(4):
            out |= mlp(f"{p}.mlp.experts.{x}", d, moe)
    return out


def size_of(shape):
    out = 1
    for dim in shape:
        out *= dim
    return out


def write_checkpoint(folder, config, seed=1):
    """Float32 weights, uniform in [-0.2, 0.2]; norms 1. Returns {name: floats}."""
    rng, tensors, header, at = random.Random(seed), {}, {}, 0
    for name, shape in shapes(config).items():
        is_norm = len(shape) == 1
        tensors[name] = array.array("f", [1.0 if is_norm else rng.uniform(-0.2, 0.2) for _ in range(size_of(shape))])
        size = 4 * len(tensors[name])
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    folder.mkdir(parents=True)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for values in tensors.values():
            file.write(values.tobytes())
    (folder / "config.json").write_text(json.dumps(config))
    return tensors


def read_checkpoint(folder):
    """{name: (shape, dtype, bytes)} of all files."""
    out = {}
    for path in folder.glob("*.safetensors"):
        data = path.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + size])
        header.pop("__metadata__", None)
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            out[name] = (entry["shape"], entry["dtype"], data[8 + size + begin:8 + size + end])
    return out


def dequantize(made, module, bits, group):
    """The weights of a module and the step of each group."""
    scales, biases = (array.array("f", made[f"{module}.{part}"][2]) for part in ("scales", "biases"))
    count, mask = len(scales) * group, (1 << bits) - 1
    raw = made[module + ".weight"][2]
    assert len(raw) * 8 == count * bits, "codes fill the words"
    weights = []
    for at in range(0, count, 8):  # eight codes fill `bits` bytes
        word = int.from_bytes(raw[at // 8 * bits:(at // 8 + 1) * bits], "little")
        for i in range(8):
            weights.append(((word >> (bits * i)) & mask) * scales[(at + i) // group] + biases[(at + i) // group])

    return weights, scales


class QuantizeTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.target = self.folder / "out"

    def quire(self, *words, **options):
        return subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, **options)

    def check_weights(self, made, module, wanted, bits, group):
        weights, scales = dequantize(made, module, bits, group)
        self.assertEqual(len(weights), len(wanted), module)
        for i, (got, want) in enumerate(zip(weights, wanted)):
            # Half a step; MLX stretches the scale so that zero is exact, which may cut the far end of a group by
            # up to another half.
            self.assertLessEqual(abs(got - want), abs(scales[i // group]) * 1.01 + 1e-6, f"{module}[{i}]")

    def test_experts_are_stacked(self):
        source = write_checkpoint(self.folder / "in", MOE)
        done = self.quire("quantize", self.folder / "in", self.target, "--bits", "4", "--group-size", "64", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        made = read_checkpoint(self.target)
        self.assertFalse([name for name in made if ".experts." in name], "no expert has a tensor of its own")
        for name in ("gate", "up", "down"):
            module = f"model.layers.1.mlp.switch_mlp.{name}_proj"
            self.assertEqual(made[module + ".weight"][:2], ([4, 64, 8], "U32"))
            self.assertEqual(made[module + ".scales"][:2], ([4, 64, 1], "F32"))
            wanted = [w for x in range(4) for w in source[f"model.layers.1.mlp.experts.{x}.{name}_proj.weight"]]
            self.check_weights(made, module, wanted, 4, 64)
        self.assertEqual(made["model.layers.0.mlp.gate.weight"][1], "F32", "the router stays as it is")
        modules = {entry["module"]: entry for entry in json.loads(done.stdout)["tensors"]}
        self.assertEqual(modules["model.layers.0.mlp.switch_mlp.up_proj"]["shape"], [4, 64, 64])
        self.assertTrue(all(0.01 < entry["error"] < 0.2 for entry in modules.values()), "relative errors of 4 bits")

    def test_matrices_of_heads_are_turned_and_stacked(self):
        source = write_checkpoint(self.folder / "in", MLA)
        done = self.quire("quantize", self.folder / "in", self.target, "--bits", "8", "--group-size", "32",
                          "--mixed", "*unembed_out=5/64,model.layers.1.self_attn.embed_q=none")
        self.assertEqual(done.returncode, 0, done.stderr)
        made = read_checkpoint(self.target)
        kv = source["model.layers.0.self_attn.kv_b_proj.weight"]
        heads, nope, value, rank = 2, 32, 64, 64
        keys = [kv[(h * (nope + value) + n) * rank + r] for h in range(heads) for r in range(rank) for n in range(nope)]
        values = [kv[(h * (nope + value) + nope + v) * rank + r]
                  for h in range(heads) for v in range(value) for r in range(rank)]
        self.assertNotIn("model.layers.0.self_attn.kv_b_proj.weight", made)
        self.assertEqual(made["model.layers.0.self_attn.embed_q.weight"][0], [heads, rank, nope // 4])
        self.check_weights(made, "model.layers.0.self_attn.embed_q", keys, 8, 32)
        self.check_weights(made, "model.layers.0.self_attn.unembed_out", values, 5, 64)
        shape, dtype, raw = made["model.layers.1.self_attn.embed_q.weight"]
        self.assertEqual((shape, dtype), ([heads, rank, nope], "F32"), "a rule kept it float, stacked all the same")
        kv = source["model.layers.1.self_attn.kv_b_proj.weight"]
        self.assertEqual(array.array("f", raw)[5 * nope + 3], kv[3 * rank + 5])

    def test_results_are_served(self):
        """8 bits change the log-probabilities of these random models by little, 2 bits by much more."""
        for config in (MOE, MLA):
            source = self.folder / config["model_type"]
            write_checkpoint(source, config)
            prompt, scores = [3, 14, 15, 92, 65], []
            for bits in (0, 8, 2):
                model = source if bits == 0 else self.folder / f"{config['model_type']}-{bits}"
                if bits:
                    done = self.quire("quantize", source, model, "--bits", bits, "--group-size", "32")
                    self.assertEqual(done.returncode, 0, done.stderr)
                with Server(BINARY, model=model) as server:
                    answer = server.post("/v1/completions", {"prompt": prompt, "max_tokens": 1, "prompt_logprobs": 0})
                rows = answer["choices"][0]["prompt_logprobs"]
                scores.append([rows[i][str(prompt[i])]["logprob"] for i in range(1, len(prompt))])
            moved = [max(abs(a - b) for a, b in zip(scores[0], other)) for other in scores[1:]]
            self.assertLess(moved[0], 0.1)
            self.assertLess(moved[0] * 2, moved[1])

    def test_the_same_in_shards(self):
        write_checkpoint(self.folder / "in", MOE)
        whole, shards = self.folder / "whole", self.folder / "shards"
        self.assertEqual(self.quire("quantize", self.folder / "in", whole).returncode, 0)
        self.assertEqual(self.quire("quantize", self.folder / "in", shards, "--shard-size", "32K").returncode, 0)
        self.assertGreater(len(list(shards.glob("*.safetensors"))), 2)
        self.assertEqual(read_checkpoint(whole), read_checkpoint(shards))

    def leftovers(self):
        return sorted(path.name for path in self.folder.iterdir() if path.name.startswith("out"))

    def test_a_full_disk_leaves_nothing(self):
        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        done = self.quire("quantize", DEMO, self.target, preexec_fn=small_files)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("disk is full", done.stderr)
        self.assertEqual(self.leftovers(), [])

    def test_an_interruption_leaves_nothing(self):
        config = dict(MOE, num_hidden_layers=1, vocab_size=8192)
        source = self.folder / "in"
        write_checkpoint(source, config)
        for number in (signal.SIGINT, signal.SIGTERM):
            # A reader that is slow in coming: weights behind a FIFO would be refused, so the signal is sent as soon as
            # the partial folder is there; a run that was faster is a complete one.
            process = subprocess.Popen([BINARY, "quantize", str(source), str(self.target)], stderr=subprocess.PIPE,
                                       stdout=subprocess.DEVNULL, text=True)
            end = time.monotonic() + 60
            while not self.leftovers() and process.poll() is None and time.monotonic() < end:
                time.sleep(0.0005)
            process.send_signal(number)
            _, words = process.communicate(timeout=60)
            if process.returncode == 0:
                self.assertEqual(self.leftovers(), ["out"])
                shutil.rmtree(self.target)
                continue
            self.assertEqual(process.returncode, 130)
            self.assertIn("nothing was written", words)
            self.assertEqual(self.leftovers(), [])

    def test_a_killed_run_is_no_model_and_the_next_one_cleans_up(self):
        (self.folder / "out.partial").mkdir()
        (self.folder / "out.partial" / "model.safetensors").write_bytes(b"half")
        done = self.quire("quantize", DEMO, self.target)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.leftovers(), ["out"])

    def test_existing_targets(self):
        self.target.mkdir()
        self.assertEqual(self.quire("quantize", DEMO, self.target).returncode, 0, "an empty folder is free")
        done = self.quire("quantize", DEMO, self.target, "--bits", "8")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--overwrite", done.stderr)
        (self.target / "notes.txt").write_text("mine")
        done = self.quire("quantize", DEMO, self.target, "--bits", "8", "--overwrite")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads((self.target / "config.json").read_text())["quantization"]["bits"], 8)
        self.assertEqual((self.target / "notes.txt").read_text(), "mine", "what is no checkpoint stays")
        self.assertEqual(self.leftovers(), ["out"])
        done = self.quire("quantize", self.target, self.folder / "twice")
        self.assertEqual(done.returncode, 1)
        self.assertIn("float checkpoint", done.stderr)
        done = self.quire("quantize", DEMO, DEMO)
        self.assertEqual(done.returncode, 1)
        self.assertIn("same folder", done.stderr)

    def test_memory_is_that_of_a_few_pieces(self):
        """Resident memory must not grow with the checkpoint: 128 MB of weights in a few tensors."""
        source = self.folder / "in"
        shutil.copytree(DEMO, source)
        for path in source.glob("*.safetensors*"):
            path.unlink()
        config = dict(MOE, vocab_size=65536, hidden_size=512, num_hidden_layers=1, moe_intermediate_size=64,
                      tie_word_embeddings=True)
        (source / "config.json").write_text(json.dumps(config))
        header, at = {}, 0
        for name, shape in shapes(config).items():
            if name == "lm_head.weight":
                continue
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * size_of(shape)]}
            at += 4 * size_of(shape)
        text = json.dumps(header).encode()
        with open(source / "model.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + at)  # zeros
        script = ("import resource,subprocess,sys;done=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL);"
                  "print(done.returncode,resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
        done = subprocess.run([sys.executable, "-c", script, BINARY, "quantize", str(source), str(self.target)],
                              capture_output=True, text=True, timeout=300, check=True)
        status, kilobytes = map(int, done.stdout.split())
        self.assertEqual(status, 0, done.stderr)
        largest = 4 * 65536 * 512 // 1024
        self.assertLess(kilobytes, largest * 0.6, "less than the largest tensor")


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
