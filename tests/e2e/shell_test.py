"""What a shell sees of the program: completions that the shells themselves execute, the manual page, help, exit codes.

Completions are asked of bash (its own completion variables), fish (complete -C) and zsh (keys typed into a terminal with
compinit); a shell that is not installed is skipped by name. The flags that must come are those of `quire COMMAND --help`.
"""
import json
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from harness import DEMO

BINARY = None


def run(*words, stdin="", cwd=None, **variables):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "QUIRE_"))}
    return subprocess.run([BINARY, *map(str, words)], input=stdin, capture_output=True, text=True, timeout=300,
                          cwd=cwd, env={**environment, "HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent", **variables})


def commands():
    return re.findall(r"^  ([a-z-]+) {2,}", run("--help").stdout.split("Begin with")[0], re.M)


def flags_of(command):
    return set(re.findall(r"^  (--[a-z0-9-]+)", run(command, "--help").stdout, re.M)) - {"--config"}


def needs(shell):
    return unittest.skipUnless(shutil.which(shell), f"{shell} is not installed")


class CompletionTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "some-model").mkdir()

    def script(self, shell, name):
        path = self.folder / name
        path.write_text(run("completion", shell).stdout)
        return path

    def check(self, ask):
        """ask(line) gives the words that complete the line."""
        self.assertEqual(set(ask("quire ")) & set(commands()), set(commands()))
        self.assertIn("quantize", ask("quire qua"))
        for command in ("serve", "chat", "quantize", "pull", "doctor"):
            self.assertLessEqual(flags_of(command), set(ask(f"quire {command} --")), command)
        self.assertEqual(ask("quire serve --kv-cache-dt"), ["--kv-cache-dtype"])
        self.assertEqual(set(ask("quire serve --kv-cache-dtype ")), {"auto", "f32", "bf16", "int8"})
        self.assertEqual(ask("quire quantize --bits 8 --group-size 12"), ["128"])
        self.assertEqual([word.rstrip("/") for word in ask("quire inspect some")], ["some-model"])
        self.assertEqual([word.rstrip("/") for word in ask("quire serve --model some")], ["some-model"])
        self.assertEqual(set(ask("quire completion ")), {"bash", "zsh", "fish"})
        self.assertEqual(set(ask("quire bench ")) & {"serve", "latency", "throughput"}, {"serve", "latency", "throughput"})
        self.assertEqual(ask("quire chat --top-k "), [], "a number has nothing to complete")

    @needs("bash")
    def test_bash(self):
        script = self.script("bash", "quire.bash")

        def ask(line):
            words = line.split(" ")
            program = (f"source {script}; COMP_WORDS=({' '.join(repr(word) for word in words)}); "
                       f"COMP_CWORD={len(words) - 1}; _quire; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
            done = subprocess.run(["bash", "--norc", "-eu", "-c", program], capture_output=True, text=True, timeout=60,
                                  cwd=self.folder)
            self.assertEqual(done.stderr, "", line)
            return [word for word in done.stdout.split("\n") if word]

        self.check(ask)

    @needs("fish")
    def test_fish(self):
        script = self.script("fish", "quire.fish")

        def ask(line):
            done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C {line!r}"],
                                  capture_output=True, text=True, timeout=60, cwd=self.folder,
                                  env={**os.environ, "HOME": str(self.folder)})
            self.assertEqual(done.stderr, "", line)
            return [word.split("\t")[0] for word in done.stdout.split("\n") if word]

        self.check(ask)

    @needs("zsh")
    def test_zsh(self):
        script = self.script("zsh", "_quire")
        subprocess.run(["zsh", "-n", str(script)], check=True, timeout=60)
        marker = "GOT:"
        setup = (f"fpath=({self.folder} $fpath); autoload -U compinit; compinit -u -D; PS1='ready> '; "
                 f"quire() {{ print -r -- '{marker[0]}'\"{marker[1:]}$*;\" }}; bindkey '^I' complete-word; "
                 "setopt no_list_beep no_auto_list\n")
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execvpe("zsh", ["zsh", "-f", "-i"], {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(self.folder)})
        text = ""

        def expect(wanted, timeout=60):
            nonlocal text
            end = time.monotonic() + timeout
            while wanted not in text:
                if select.select([terminal], [], [], 0.2)[0]:
                    text += os.read(terminal, 65536).decode(errors="replace")
                elif time.monotonic() > end:
                    raise AssertionError(f"{wanted!r} did not come: {text!r}")
            before, text = text.split(wanted, 1)
            return before

        def complete(line):
            os.write(terminal, line.encode() + b"\t")
            time.sleep(0.5)
            os.write(terminal, b"\n")
            expect(marker)
            return expect(";")

        try:
            time.sleep(0.5)
            os.write(terminal, setup.encode())
            expect("ready> ")
            expect("ready> ") if "ready> " in text else None
            self.assertEqual(complete("quire quan").strip(), "quantize")
            self.assertEqual(complete("quire serve --kv-cache-dt").strip(), "serve --kv-cache-dtype")
            self.assertEqual(complete("quire serve --kv-cache-dtype i").strip(), "serve --kv-cache-dtype int8")
            self.assertEqual(complete("quire inspect some").strip().rstrip("/"), "inspect some-model")
            self.assertEqual(complete("quire quantize --bits 8 --group-size 12").strip(),
                             "quantize --bits 8 --group-size 128")
            self.assertEqual(complete("quire completion fi").strip(), "completion fish")
        finally:
            os.close(terminal)
            os.waitpid(pid, 0)


class ManualTest(unittest.TestCase):
    @needs("groff")
    def test_groff_has_nothing_to_say(self):
        page = run("man").stdout
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-b", "-z"], input=page, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    @needs("mandoc")
    def test_mandoc_has_nothing_to_say(self):
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning"], input=run("man").stdout, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.stdout, "")

    def test_every_command_is_in_it(self):
        page = run("man").stdout
        for command in commands():
            self.assertIn(f"quire {command}".replace("-", "\\-"), page)


class BenchTest(unittest.TestCase):
    def paced(self):
        return subprocess.Popen([BINARY, "bench", "latency", "--paced", "--model", DEMO, "--input-tokens", "40",
                                 "--output-tokens", "4"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def test_paced_rounds_come_when_they_are_asked_for(self):
        """A number in, a round out; a number that comes again finds its prompt in the prefix cache."""
        process = self.paced()
        rounds = []
        for number in (0, 1, 1):
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            rounds.append(json.loads(process.stdout.readline()))
        self.assertEqual([r["decode_tokens_per_second"] > 0 for r in rounds], [True] * 3)
        self.assertLess(rounds[2]["ttft_ms"]["p50"], rounds[1]["ttft_ms"]["p50"])
        self.assertEqual(process.communicate(timeout=60), ("", ""))
        self.assertEqual(process.returncode, 0)

    def test_paced_rounds_refuse_what_is_no_number(self):
        out, error = self.paced().communicate("x\n", timeout=60)
        self.assertEqual(out, "")
        self.assertIn("reads numbers of rounds", error)


class HelpTest(unittest.TestCase):
    def test_no_colour_and_no_long_lines_without_a_terminal(self):
        for words in [["--help"], *[[command, "--help"] for command in commands()]]:
            done = run(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertNotIn("\x1b", done.stdout)
            self.assertLessEqual(max(map(len, done.stdout.split("\n"))), 100, words)

    def test_the_bundled_model_is_found_from_any_folder(self):
        """`demo` where no such folder lies is the one that came with the program."""
        with tempfile.TemporaryDirectory() as folder:
            for words in (["generate", "demo", "Hi", "--max-tokens", "2"], ["inspect", "demo"],
                          ["bench", "latency", "--model", "demo", "--input-tokens", "8", "--output-tokens", "2"]):
                done = run(*words, cwd=folder)
                self.assertEqual(done.returncode, 0, (words, done.stderr))

    def test_errors_say_what_to_do_next(self):
        """(words, exit status, what must be in the message)."""
        cases = [
            ([], 2, "quire chat demo"), (["sevre"], 2, "quire serve"), (["serve", "--modle", "x"], 2, "--model"),
            (["serve"], 2, "quire serve --help"), (["serve", "/nonexistent"], 1, "quire models"),
            (["chat"], 2, "--url"), (["chat", "--url", "127.0.0.1:9"], 1, "quire serve"),
            (["generate"], 2, "--help"), (["generate", DEMO, "x", "--temperature", "hot"], 2, "0 to 100"),
            (["inspect"], 2, "--help"), (["inspect", DEMO / "config.json"], 1, "folder"),
            (["tokenize"], 2, "model is missing"), (["doctor", "/nonexistent"], 1, "quire models"),
            (["pull"], 2, "ORG/REPO"), (["pull", "x"], 2, "org/repo"),
            (["pull", "org/none"], 1, "with a network"), (["quantize"], 2, "SOURCE"), (["quantize", DEMO], 2, "TARGET"),
            (["quantize", DEMO, DEMO / "config.json"], 1, "a folder that does not exist"),
            (["quantize", DEMO, "out", "--bits", "7"], 2, "2, 3, 4, 5, 6, 8"),
            (["quantize", DEMO, "out", "--mixed", "x"], 1, "PATTERN=BITS"),
            (["completion", "tcsh"], 2, "bash, zsh or fish"), (["bench", "x"], 2, "latency"),
            (["serve", DEMO, "--config", "/nonexistent"], 2, "/nonexistent"), (["serve", DEMO, "--port", "99999"], 2, "65535"),
            (["serve", DEMO, "--dtype", "fp4"], 2, "f16"), (["generate", DEMO, "x", "y"], 2, "one word too many"),
            (["apply-template"], 2, "--template"), (["generate", "--batch", "/nonexistent", DEMO], 1, "/nonexistent"),
        ]
        for words, status, wanted in cases:
            done = run(*words)
            self.assertEqual(done.returncode, status, (words, done.stderr))
            self.assertIn(wanted, done.stderr, words)
            self.assertEqual(done.stdout, "", words)

    def test_precedence(self):
        """Flag, alias, variable, file: each sets, and each wins over those behind it."""
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "quire.yaml"
            config.write_text("kv-cache-dtype: int8\n")

            def dtype(*words, **variables):
                done = run("inspect", DEMO, "--json", *words, **variables)
                self.assertIn(done.returncode, (0, 2), done.stderr)
                return json.loads(done.stdout)["kv_cache"]["dtype"] if done.returncode == 0 else done.stderr

            self.assertEqual(dtype(), "f32", "the built-in choice for a small model")
            self.assertEqual(dtype("--config", config), "i8")
            self.assertEqual(dtype(QUIRE_CONFIG=str(config)), "i8")
            self.assertEqual(dtype("--config", config, QUIRE_KV_CACHE_DTYPE="bf16"), "bf16")
            self.assertEqual(dtype("--config", config, "--kv-cache-dtype", "f32", QUIRE_KV_CACHE_DTYPE="bf16"), "f32")
            self.assertIn("QUIRE_KV_CACHE_DTYPE", dtype(QUIRE_KV_CACHE_DTYPE="int3"))

            def context(*words, **variables):
                return json.loads(run("inspect", DEMO, "--json", *words, **variables).stdout)["context"]["fits"]

            self.assertEqual(context("--max-model-len", "64"), 64)
            self.assertEqual(context("-c", "64"), 64)
            self.assertEqual(context("--ctx-size=64"), 64)
            self.assertEqual(context(QUIRE_MAX_MODEL_LEN="64"), 64)
            config.write_text('{"max_model_len": 64}')
            self.assertEqual(context("--config", config), 64)

    def test_every_setting_has_flag_variable_and_file_key(self):
        """A value that no setting takes is refused through each of the three doors, by the name of the door."""
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "quire.yaml"
            entries = re.split(r"^  (?=--)", run("serve", "--help").stdout, flags=re.M)[1:]
            ranged = [entry for entry in entries if re.search(r"\((one of|-?[\d.]+\s+to)\s", entry)]
            self.assertGreater(len(ranged), 12)
            for entry in ranged:
                flag = entry.split(",")[0].split()[0]
                name = flag[2:]
                variable = "QUIRE_" + name.upper().replace("-", "_")
                self.assertIn(flag, run("serve", DEMO, f"{flag}=nonsense").stderr)
                self.assertIn(variable, run("serve", DEMO, **{variable: "nonsense"}).stderr)
                config.write_text(f"{name}: nonsense\n")
                self.assertIn(name, run("serve", DEMO, "--config", config).stderr)


class LogTest(unittest.TestCase):
    def test_json_lines_on_standard_error(self):
        words = ["generate", DEMO, "Hi", "--max-tokens", "2"]
        done = run(*words, "--log-format", "json", QUIRE_NO_SUCH_FLAG="1")
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        self.assertEqual([line["level"] for line in lines], ["warning"], done.stderr)
        self.assertIn("QUIRE_NO_SUCH_FLAG", lines[0]["message"])
        self.assertEqual(run(*words, "--log-level", "error", QUIRE_NO_SUCH_FLAG="1").stderr, "")
        self.assertIn("warning", run(*words, QUIRE_NO_SUCH_FLAG="1").stderr)


class InspectTest(unittest.TestCase):
    """Broken checkpoints: every fault is told, not only the first."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.model = self.folder / "model"
        shutil.copytree(DEMO, self.model, ignore=shutil.ignore_patterns("training"))
        self.data = bytearray((self.model / "model.safetensors").read_bytes())
        self.size = int.from_bytes(self.data[:8], "little")
        self.header = json.loads(self.data[8:8 + self.size])

    def write_header(self, header):
        text = json.dumps(header).encode()
        (self.model / "model.safetensors").write_bytes(
            len(text).to_bytes(8, "little") + text + self.data[8 + self.size:])

    def problems(self, *words):
        done = run("inspect", self.model, "--json", *words)
        self.assertEqual(done.returncode, 1, done.stdout)
        return json.loads(done.stdout)["problems"]

    def test_missing_and_extra_and_misshapen(self):
        names = [name for name in self.header if name.endswith("proj.weight")][:3]
        header = dict(self.header)
        for name in names[:2]:
            header[name.replace("model.", "other.", 1)] = header.pop(name)
        header[names[2]] = {**header[names[2]], "shape": header[names[2]]["shape"][::-1] + [1]}
        self.write_header(header)
        problems = "\n".join(self.problems())
        for name in names:
            self.assertIn(name, problems)
            if name != names[2]:
                self.assertIn(name.replace("model.", "other.", 1), problems)
        self.assertEqual(len(self.problems()), 5)
        text = run("inspect", self.model).stdout
        self.assertEqual(text.count("\nproblem"), 5)
        self.assertIn("does not load", text)
        self.assertIn("(and 4 more)", run("generate", self.model, "Hi").stderr)

    def test_unknown_family(self):
        config = json.loads((self.model / "config.json").read_text())
        config |= {"model_type": "nothing_yet", "architectures": ["NothingYet"]}
        (self.model / "config.json").write_text(json.dumps(config))
        self.assertIn("nothing_yet", "\n".join(self.problems()))

    def test_truncated(self):
        (self.model / "model.safetensors").write_bytes(self.data[:-100])
        self.assertIn("model.safetensors", "\n".join(self.problems()))

    def test_missing_shards(self):
        names = [name for name in self.header if name != "__metadata__"]
        shards = {name: "model-0.safetensors" for name in names}
        shards |= {f"tensor{i}": f"model-{i}.safetensors" for i in (1, 2)}
        (self.model / "model.safetensors").rename(self.model / "model-0.safetensors")
        (self.model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
        problems = "\n".join(self.problems())
        for shard in ("model-1.safetensors", "model-2.safetensors"):
            self.assertIn(shard, problems)

    def test_unsupported_quantization(self):
        config = json.loads((self.model / "config.json").read_text())
        config["quantization_config"] = {"quant_method": "gguf_like", "bits": 3}
        (self.model / "config.json").write_text(json.dumps(config))
        self.assertIn("gguf_like", "\n".join(self.problems()))


if __name__ == "__main__":
    BINARY = os.path.abspath(sys.argv.pop(1))
    unittest.main()
