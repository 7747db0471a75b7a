"""The command line as a new user meets it: real terminals (pty), real files, the demo model.

The right answers come from the HTTP API of the same program where a model's text is compared, and from the
documented words of the program elsewhere.
"""
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from harness import DEMO, Server

BINARY = None


def run(*words, stdin="", **variables):
    return subprocess.run([BINARY, *map(str, words)], input=stdin, capture_output=True, text=True, timeout=180,
                          env={**os.environ, "HF_HUB_OFFLINE": "1", **variables})


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *words, **variables):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm", "NO_COLOR": "1", **variables})
            os.execv(BINARY, [BINARY, *map(str, words)])

    def send(self, text):
        time.sleep(0.2)  # the prompt is out a little before the terminal's mode is set, which drops input
        os.write(self.fd, text.encode())

    def expect(self, wanted, timeout=120):
        """Reads until `wanted` comes; what was read up to it is returned and forgotten."""
        end = time.monotonic() + timeout
        while wanted not in self.text:
            ready, _, _ = select.select([self.fd], [], [], 0.2)
            if ready:
                try:
                    self.text += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    break
            elif time.monotonic() > end:
                break
        if wanted not in self.text:
            raise AssertionError(f"{wanted!r} did not come; there was {self.text!r}")
        before, self.text = self.text.split(wanted, 1)
        return before

    def close(self, key=""):
        """Waits for the end. `key` is sent until it comes: the terminal drops what arrives while the
        program changes its mode."""
        end = time.monotonic() + 60
        pid = 0
        while not pid:
            try:
                if key:
                    self.send(key)
                if select.select([self.fd], [], [], 0.2)[0]:
                    os.read(self.fd, 65536)
            except OSError:  # the other end is closed
                time.sleep(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if not pid and time.monotonic() > end:
                os.kill(self.pid, 9)
                os.waitpid(self.pid, 0)
                raise AssertionError("the program did not end")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


class ChatTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def chat(self, *words):
        return Terminal("chat", *words, "--history", self.folder / "history", "--temperature", "0")

    def test_conversation(self):
        terminal = self.chat(DEMO, "--max-tokens", "12")
        terminal.expect("> ")
        terminal.send("Hello\n")
        self.assertTrue(terminal.expect("> ").replace("Hello", "", 1).strip())
        terminal.send("/stats\n")
        self.assertIn("tokens a second", terminal.expect("> "))
        terminal.send("/set temperature 0.5\n")
        terminal.expect("temperature is 0.5")
        terminal.send(f"/save {self.folder}/talk.json\n")
        terminal.expect("2 messages in")
        self.assertEqual(terminal.close("\x04"), 0)
        talk = json.loads((self.folder / "talk.json").read_text())["messages"]
        self.assertEqual([message["role"] for message in talk], ["user", "assistant"])
        self.assertIn("Hello", (self.folder / "history").read_text())

    def test_interrupts(self):
        terminal = self.chat(DEMO, "--max-tokens", "3000")
        terminal.expect("> ")
        terminal.send("Tell me a very long story.\n")
        terminal.expect("\r\n")
        time.sleep(0.3)
        terminal.send("\x03")
        terminal.expect("> ", timeout=60)
        terminal.send("half a line\x03")
        terminal.expect("> ", timeout=20)
        terminal.send("/quit\n")
        self.assertEqual(terminal.close(), 0, "Ctrl-C ends answers and lines, never the program")

    def test_reasoning_is_told_apart_in_process_as_by_url(self):
        """The server's own split of the same question, seed and effort is the right one; the history keeps the content only."""
        words = ["--temperature", "0", "--reasoning-effort", "high", "--history", self.folder / "history"]
        with Server(BINARY) as server:
            message = server.post("/v1/chat/completions", {
                "messages": [{"role": "user", "content": "What is 12 + 30?"}], "temperature": 0,
                "reasoning_effort": "high"})["choices"][0]["message"]
            outputs = [run("chat", *source, *words, "--session", self.folder / f"talk{i}.json", stdin="What is 12 + 30?\n")
                       for i, source in enumerate(([DEMO], ["--url", f"http://{server.host}:{server.port}"]))]
        self.assertTrue(message["reasoning_content"])
        for i, done in enumerate(outputs):
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, outputs[0].stdout)
            self.assertNotIn("think>", done.stdout)
            self.assertIn(message["reasoning_content"].strip(), done.stdout)
            self.assertIn(message["content"].strip(), done.stdout)
            talk = json.loads((self.folder / f"talk{i}.json").read_text())["messages"]
            self.assertEqual(talk[-1], {"role": "assistant", "content": message["content"]})
        plain = run("chat", DEMO, "--temperature", "0", "--reasoning-effort", "none", stdin="What is 12 + 30?\n")
        self.assertNotIn(message["reasoning_content"].strip(), plain.stdout)

    def test_several_lines(self):
        terminal = self.chat(DEMO, "--max-tokens", "4", "--session", self.folder / "session.json")
        terminal.expect("> ")
        terminal.send("one\\\n")
        terminal.expect(". ")
        terminal.send("two\n")
        terminal.expect("> ")
        terminal.send('"""a\n')
        terminal.expect(". ")
        terminal.send('b"""\n')
        terminal.expect("> ")
        self.assertEqual(terminal.close("\x04"), 0)
        talk = json.loads((self.folder / "session.json").read_text())["messages"]
        self.assertEqual([message["content"] for message in talk[::2]], ["one\ntwo", "a\nb"])

    def test_server_and_process_give_the_same_answer(self):
        here = run("chat", DEMO, "--temperature", "0", "--max-tokens", "30", stdin="Hello\nAnd then?\n")
        self.assertEqual(here.returncode, 0, here.stderr)
        with Server(BINARY) as server:
            url = f"http://{server.host}:{server.port}"
            for form in (url, url + "/v1", url + "/v1/"):
                there = run("chat", "--url", form, "--temperature", "0", "--max-tokens", "30",
                            stdin="Hello\nAnd then?\n")
                self.assertEqual((there.returncode, there.stdout), (0, here.stdout), there.stderr)
            wrong = run("chat", "--url", url, "--remote-model", "none", stdin="x\n")
            self.assertEqual(wrong.returncode, 1)
            self.assertIn("demo", wrong.stderr)
            terminal = self.chat("--url", url, "--max-tokens", "3000")
            terminal.expect("> ")
            terminal.send("Tell me a very long story.\n")
            time.sleep(0.3)
            terminal.send("\x03")
            terminal.expect("> ", timeout=60)
            terminal.close("\x04")
            server.wait_idle()

    def test_no_server(self):
        done = run("chat", "--url", "http://127.0.0.1:9", stdin="x\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("127.0.0.1:9", done.stderr)


class GenerateTest(unittest.TestCase):
    def test_forms_of_the_prompt(self):
        flags = ("--raw", "--temperature", "0", "--max-tokens", "10")
        word = run("generate", DEMO, "Once upon", *flags)
        self.assertEqual(word.returncode, 0, word.stderr)
        self.assertEqual(word.stdout, run("generate", DEMO, *flags, stdin="Once upon\n").stdout)
        self.assertEqual(word.stdout, run("generate", "--model", DEMO, "--prompt", "Once upon", *flags).stdout)
        whole = json.loads(run("generate", DEMO, "Once upon", *flags, "--json").stdout)
        self.assertEqual(whole["text"] + "\n", word.stdout)
        self.assertEqual(whole["usage"]["completion_tokens"], 10)
        self.assertEqual(whole["finish_reason"], "length")

    def test_batch_equals_one_by_one(self):
        lines = [{"id": f"q{i}", "prompt": f"Number {i} is", "max_tokens": 5 + i, "temperature": 0} for i in range(9)]
        lines.insert(4, {"prompt": 3})
        lines.append({"messages": [{"role": "user", "content": "Hello"}], "seed": 3, "max_tokens": 4})
        done = run("generate", DEMO, "--raw", "--batch", "-", stdin="\n".join(map(json.dumps, lines)))
        self.assertEqual(done.returncode, 1, "one line was wrong")
        answers = list(map(json.loads, done.stdout.splitlines()))
        self.assertEqual([answer["id"] for answer in answers], [f"q{i}" for i in range(4)] + [4] + [f"q{i}" for i in range(4, 9)] + [10])
        self.assertIn("error", answers[4])
        self.assertIn("chat template", answers[10]["error"], "--raw takes no messages")
        one = run("generate", DEMO, "Number 7 is", "--raw", "--max-tokens", "12", "--temperature", "0")
        self.assertEqual(answers[8]["text"] + "\n", one.stdout)


    def test_reasoning_is_apart_as_the_server_has_it(self):
        """The server's own split of the same question, seed and effort is the right one."""
        ask = "What is 12 + 30?"
        words = ["--temperature", "0", "--reasoning-effort", "high"]
        with Server(BINARY) as server:
            message = server.post("/v1/chat/completions", {
                "messages": [{"role": "user", "content": ask}], "temperature": 0,
                "reasoning_effort": "high"})["choices"][0]["message"]
        self.assertTrue(message["reasoning_content"])
        one = json.loads(run("generate", DEMO, ask, *words, "--json").stdout)
        many = json.loads(run("generate", DEMO, *words, "--batch", "-", stdin=json.dumps({"prompt": ask})).stdout)
        for answer in (one, many):
            self.assertEqual((answer["reasoning_content"], answer["text"]), (message["reasoning_content"], message["content"]))
        self.assertEqual(one["usage"], many["usage"])
        plain = run("generate", DEMO, ask, *words)
        self.assertEqual(plain.stdout, f"{message['reasoning_content']}\n{message['content']}\n")
        raw = json.loads(run("generate", DEMO, ask, "--raw", "--max-tokens", "4", "--json").stdout)
        self.assertNotIn("reasoning_content", raw, "plain text has no reasoning")

    def test_interrupts(self):
        """Ctrl-C and SIGTERM end an answer with what there is, and the exit status says which it was. What is read first
        shows that the requests run."""
        begin = json.dumps({"prompt": "Once", "max_tokens": 1}) + "\n"
        endless = json.dumps({"prompt": "Once upon a time", "ignore_eos": True}) + "\n"
        for number in (signal.SIGINT, signal.SIGTERM):
            for words in (["Once upon a time", "--ignore-eos"], ["--batch", "-"]):
                with subprocess.Popen([BINARY, "generate", DEMO, "--raw", *words], text=True, stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
                    program.stdin.write(begin + 3 * endless if "--batch" in words else "")
                    program.stdin.close()
                    first = program.stdout.readline() if "--batch" in words else program.stdout.read(4)
                    program.send_signal(number)
                    rest, errors = program.stdout.read(), program.stderr.read()
                self.assertTrue(first and rest, errors)
                self.assertEqual(program.returncode, 128 + number, errors)
                if "--batch" in words:
                    self.assertEqual([json.loads(line)["finish_reason"] for line in rest.splitlines()], 3 * ["abort"])


class WordsTest(unittest.TestCase):
    def test_usage_errors_say_what_next(self):
        for words, wanted in ((["srve"], "quire serve"), (["serve"], "a model is missing"), ([], "--help"),
                              (["chat"], "--url"), (["serve", DEMO, "--prt", "1"], "--port"),
                              (["inspect", DEMO, "more"], "too many"), (["completion", "csh"], "bash"),
                              (["serve", DEMO, "--tensor-parallel-size", "2"], "one process"),
                              (["serve", DEMO, "--dtype", "f8"], "bf16")):
            done = run(*words)
            self.assertEqual(done.returncode, 2, (words, done.stderr))
            self.assertIn(wanted, done.stderr)

    def test_missing_models(self):
        for name, wanted in (("nowhere", "org/repo"), ("org/repo", "quire pull"), (__file__, "config.json")):
            done = run("inspect", name, HF_HOME="/nonexistent")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(wanted, done.stderr)

        with tempfile.TemporaryDirectory() as empty:
            for command in ("chat", "generate", "serve", "inspect"):
                done = run(command, empty)
                self.assertEqual(done.returncode, 1, (command, done.stderr))
                self.assertIn("config.json", done.stderr + done.stdout, command)

    def test_help_everywhere(self):
        top = run("--help").stdout
        for name in ("serve chat generate models pull inspect quantize doctor bench tokenize apply-template completion "
                     "man").split():
            self.assertIn(f"  {name} ", top)
            done = run(name, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn("Usage: quire", done.stdout)
        self.assertEqual(run("help", "chat").stdout, run("chat", "--help").stdout)

    def test_inspect_and_models(self):
        survey = json.loads(run("inspect", DEMO, "--json").stdout)
        config = json.loads((DEMO / "config.json").read_text())
        self.assertTrue(survey["loads"])
        self.assertEqual(survey["tensors"]["count"], survey["tensors"]["claimed"])
        wanted = 2 * 4 * config["num_hidden_layers"] * config["num_key_value_heads"] * config["head_dim"]
        self.assertEqual(survey["kv_cache"]["bytes_per_token"], wanted, "f32 keys and values")
        with tempfile.TemporaryDirectory() as folder:
            broken = pathlib.Path(folder)
            shutil.copytree(DEMO, broken, dirs_exist_ok=True)
            (broken / "config.json").write_text(json.dumps({**config, "rope_scaling_new": 3}))
            done = run("inspect", broken)
            self.assertEqual(done.returncode, 1)
            self.assertIn("rope_scaling_new", done.stdout)
            self.assertIn("does not load", done.stdout)
            (broken / "config.json").write_text(json.dumps({**config, "hidden_size": 128}))
            self.assertIn("shape", run("inspect", broken).stdout)
        names = [family["name"] for family in json.loads(run("models", "--json").stdout)["families"]]
        self.assertIn("qwen3", names)

    def test_quantize(self):
        """That the bytes are MLX's is for tools/quantize_diff.py, which needs MLX; here: it runs and reports."""
        with tempfile.TemporaryDirectory() as folder:
            text = pathlib.Path(folder) / "text.txt"
            text.write_text("Once upon a time, a shy otter lived in a valley.")
            errors = []
            for bits in (2, 4, 8):
                target = pathlib.Path(folder) / str(bits)
                done = run("quantize", DEMO, target, "--bits", bits, "--json", "--shard-size", "1M", "--eval-text", text)
                self.assertEqual(done.returncode, 0, done.stderr)
                report = json.loads(done.stdout)
                errors.append(max(tensor["error"] for tensor in report["tensors"]))
                self.assertLess(report["log_probability"]["before"], 0)
                self.assertTrue(json.loads(run("inspect", target, "--json").stdout)["loads"])
                self.assertGreater(len(list(target.glob("model-*.safetensors"))), 1)
            self.assertTrue(errors[0] > 3 * errors[1] and errors[1] > 10 * errors[2] > 0, errors)
            again = run("quantize", DEMO, target)
            self.assertEqual(again.returncode, 1)
            self.assertIn("--overwrite", again.stderr)
            self.assertIn("already quantized", run("quantize", target, pathlib.Path(folder) / "twice").stderr)
            self.assertIn("PATTERN", run("quantize", DEMO, pathlib.Path(folder) / "x", "--mixed", "a=7").stderr)

    def test_doctor(self):
        found = json.loads(run("doctor", DEMO, "--seconds", "0.2", "--json").stdout)
        self.assertEqual(found["processors_allowed"], len(os.sched_getaffinity(0)))
        self.assertGreater(found["read_gb_s"], 0.05)
        self.assertTrue(all(rate["gflops"] > 0 for rate in found["compute"]))
        self.assertGreater(found["expected_tokens_per_second"]["decode"], 0)

    def test_completion_scripts_are_scripts(self):
        script = run("completion", "bash").stdout
        ask = "COMP_WORDS=(quire {}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _quire; echo ${{COMPREPLY[@]}}"
        for words, wanted in (("in", "inspect"), ("serve --max-num-b", "--max-num-batched-tokens"),
                              ("serve --dtype bf", "bf16"), ("completion z", "zsh"), ("bench th", "throughput")):
            done = subprocess.run(["bash", "-c", script + "\n" + ask.format(words)], capture_output=True, text=True)
            self.assertEqual(done.stdout.strip(), wanted, done.stderr)
        for shell in ("zsh", "fish"):
            text = run("completion", shell).stdout
            self.assertIn("max-num-seqs", text)
            if shutil.which(shell):
                check = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True)
                self.assertEqual(check.returncode, 0, check.stderr)

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_manual_page(self):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=run("man").stdout, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("max-num-seqs", done.stdout.replace("\u2010", "-").replace("\u2212", "-"))


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
