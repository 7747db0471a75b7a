#!/usr/bin/env python3
"""The built server with the demo model, used as a stranger would use it.

Oracles: the recorded outputs of Transformers in demo/expected.json; the server's own answer to the same
request when nothing else runs (bytes must not change in a crowd, after hang-ups, with other flags); and the
metrics, which must return to zero.
"""
import json
import math
import os
import signal
import socket
import sys
import tempfile
import time
import unittest

from harness import DEMO, Server, in_parallel

BINARY = None
LOGPROB_TOLERANCE = 1e-3
MARGIN_COMPARED = 0.01  # tokens may differ from the first margin below this on
WORDS = ("otter", "bell", "moon", "tailor", "bridge", "kite", "lamp", "river", "stone", "bird")


def request_number(index):
    """Request `index` of the crowd: chat or completion, greedy or seeded, long or short."""
    word = WORDS[index % len(WORDS)]
    common = {"max_tokens": 16 + index % 33, "temperature": 0 if index % 3 == 0 else 0.9,
              "seed": index, "return_token_ids": True}
    if index % 2 == 0:
        return "/v1/chat/completions", {
            **common, "logprobs": True, "top_logprobs": 2,
            "messages": [{"role": "user", "content": f"Tell me a short story about a {word} and a {index}."}]}
    return "/v1/completions", {**common, "logprobs": 2, "prompt": f"Once upon a time, a {word} number {index}"}


def answer_of(response):
    """What must not change: texts, ids, log-probabilities and reasons to stop."""
    choice = response["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return text, choice["token_ids"], choice["logprobs"], choice["finish_reason"]


def streamed_answer_of(events):
    """The same from a stream's events."""
    text, ids, logprobs, reason = "", [], None, None
    for event in events:
        for choice in event["choices"]:
            text += (choice.get("delta", {}).get("content") or "") if "delta" in choice else choice["text"]
            ids += choice.get("token_ids") or []
            part = choice.get("logprobs")
            if part:
                if logprobs is None:
                    logprobs = {key: [] for key in part}
                for key, values in part.items():
                    logprobs[key] = logprobs[key] + values if values is not None else None
            if choice.get("finish_reason"):
                if reason is not None:
                    raise AssertionError("two finish reasons")
                reason = choice["finish_reason"]
    return text, ids, logprobs, reason


class DemoServerTest(unittest.TestCase):
    """One server for all tests: what one test leaves behind must not disturb the next."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(BINARY)

    @classmethod
    def tearDownClass(cls):
        with cls.server:
            status = cls.server.terminate()
        if status != 0:
            raise AssertionError(f"exit status {status} after SIGTERM")

    def test_expected_outputs_of_transformers(self):
        for case in json.loads((DEMO / "expected.json").read_text())["cases"]:
            body = {"prompt": case["prompt_ids"], "max_tokens": 64, "temperature": 0, "logprobs": 5,
                    "return_token_ids": True, "return_tokens_as_token_ids": True}
            choice = self.server.post("/v1/completions", body)["choices"][0]
            self.assertEqual(choice["prompt_token_ids"], case["prompt_ids"], case["name"])
            compared = next((i for i, margin in enumerate(case["margin"]) if margin < MARGIN_COMPARED),
                            len(case["new_ids"]))
            self.assertEqual(choice["token_ids"][:compared], case["new_ids"][:compared], case["name"])
            for i in range(compared):
                got = choice["logprobs"]["top_logprobs"][i]
                for token, wanted in case["top5"][i]:
                    self.assertLess(abs(got[f"token:{token}"] - wanted), LOGPROB_TOLERANCE,
                                    (case["name"], i, token))
            if compared == len(case["new_ids"]):
                self.assertEqual(choice["text"], case["text"], case["name"])
                self.assertEqual(choice["finish_reason"], case["finish"], case["name"])

    def test_rendered_prompts(self):
        for case in json.loads((DEMO / "expected.json").read_text())["cases"]:
            if "messages" not in case:
                continue
            body = {"messages": case["messages"], "max_tokens": 1, "return_token_ids": True,
                    "chat_template_kwargs": case["kwargs"]}
            if case["tools"]:
                body["tools"] = case["tools"]
            answer = self.server.post("/v1/chat/completions", body)
            self.assertEqual(answer["prompt_token_ids"], case["prompt_ids"], case["name"])

    def test_200_streams_give_the_bytes_of_one_by_one(self):
        alone = [answer_of(self.server.post(*request_number(i))) for i in range(200)]
        crowd = in_parallel([lambda i=i: streamed_answer_of(self.server.stream(*request_number(i)))
                             for i in range(200)])
        for i in range(200):
            self.assertEqual(crowd[i], alone[i], request_number(i))
        self.server.wait_idle()

    def test_hang_ups_free_everything(self):
        body = {"prompt": "Once upon a time", "max_tokens": 2000, "ignore_eos": True}
        wanted = answer_of(self.server.post(*request_number(4)))
        in_parallel([lambda i=i: self.server.stream("/v1/completions", body, limit=1 + i % 5)
                     for i in range(40)])
        self.server.wait_idle(timeout=2.0)
        self.assertEqual(answer_of(self.server.post(*request_number(4))), wanted)

    def test_hang_up_of_an_unstreamed_request(self):
        connection = self.server.connect()
        body = json.dumps({"prompt": "Once", "max_tokens": 3000, "ignore_eos": True}).encode()
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        time.sleep(0.3)
        connection.close()
        self.server.wait_idle(timeout=2.0)

    def test_nonsense_disturbs_nobody(self):
        path, body = request_number(6)
        wanted = answer_of(self.server.post(path, body))
        garbage = [b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"POST /v1/completions HTTP/1.1\r\nHost: a\r\n"
                   b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"\xff\xfe\xfd" * 5000]

        def send(data):
            with socket.create_connection((self.server.host, self.server.port), timeout=20) as raw:
                raw.sendall(data)
                raw.shutdown(socket.SHUT_WR)
                try:
                    while raw.recv(4096):
                        pass
                except ConnectionResetError:
                    pass

        in_parallel([lambda d=d: send(d) for d in garbage * 10])
        bodies = [b"", b"{", b"[]", b"{\"prompt\": 1e999}", b"{\"prompt\": \"a\", \"max_tokens\": -1}",
                  b"{\"prompt\": \"a\", \"temperature\": \"hot\"}", b"{\"prompt\": \"a\", \"temperatur\": 1}",
                  b"{\"prompt\": [99999999]}", b"{\"prompt\": \"a\", \"n\": 1000000}",
                  b"{\"prompt\": \"a\", \"prompt\": \"b\"}", b"[" * 100000]
        for data in bodies:
            status, _, answer = self.server.request("POST", "/v1/completions", data)
            self.assertEqual(status, 400, (data[:60], answer[:300]))
            error = json.loads(answer)["error"]
            self.assertTrue(error["message"] and error["type"], answer)
        self.assertEqual(answer_of(self.server.post(path, body)), wanted)
        self.server.wait_idle()

    def test_prompt_logprobs_agree_with_generation(self):
        generated = self.server.post("/v1/completions", {
            "prompt": "What is the capital of", "max_tokens": 12, "temperature": 0, "logprobs": 1,
            "return_token_ids": True, "ignore_eos": True})["choices"][0]
        ids = generated["prompt_token_ids"] + generated["token_ids"]
        scored = self.server.post("/v1/completions", {
            "prompt": ids, "max_tokens": 1, "prompt_logprobs": 1})["choices"][0]["prompt_logprobs"]
        self.assertIsNone(scored[0])
        self.assertEqual(len(scored), len(ids))
        start = len(generated["prompt_token_ids"])
        for i, token in enumerate(generated["token_ids"]):
            entry = scored[start + i][str(token)]
            self.assertEqual(entry["logprob"], generated["logprobs"]["token_logprobs"][i])
            self.assertEqual(entry["rank"], 1)

    def test_choices_are_independent(self):
        body = {"prompt": "Once upon a time", "max_tokens": 24, "temperature": 1.0, "seed": 11,
                "return_token_ids": True}
        one = self.server.post("/v1/completions", body)["choices"][0]
        many = self.server.post("/v1/completions", {**body, "n": 4})["choices"]
        self.assertEqual([choice["index"] for choice in many], [0, 1, 2, 3])
        self.assertEqual(many[0]["token_ids"], one["token_ids"])
        self.assertGreater(len({tuple(choice["token_ids"]) for choice in many}), 1)

    def test_metrics_count_what_was_done(self):
        before = self.server.metric("vllm:generation_tokens_total") or 0
        usage = self.server.post("/v1/completions", {"prompt": "Hello", "max_tokens": 7,
                                                     "ignore_eos": True})["usage"]
        self.assertEqual(usage["completion_tokens"], 7)
        self.assertEqual(self.server.metric("vllm:generation_tokens_total") - before, 7)
        self.assertTrue(math.isfinite(self.server.metric("vllm:e2e_request_latency_seconds_sum")))
        self.server.wait_idle()

    def test_prefix_cache_hits_and_changes_nothing(self):
        prompt = "A long shared beginning. " * 30
        body = {"prompt": prompt + "First?", "max_tokens": 8, "temperature": 0, "logprobs": 1,
                "return_token_ids": True}
        self.server.request("POST", "/v1/cache/reset", b"{}")
        cold = self.server.post("/v1/completions", body)
        warm = self.server.post("/v1/completions", body)
        self.assertEqual(answer_of(cold), answer_of(warm))
        self.assertEqual(cold["usage"]["prompt_tokens_details"]["cached_tokens"], 0)
        self.assertGreater(warm["usage"]["prompt_tokens_details"]["cached_tokens"],
                           warm["usage"]["prompt_tokens"] - 17)


class FlagsTest(unittest.TestCase):
    """The same requests under other flags: promise 1 from the outside."""

    def test_same_bytes_under_every_flag(self):
        jobs = [request_number(i) for i in range(12)]

        def answers(*flags):
            with Server(BINARY, *flags) as server:
                got = in_parallel([lambda job=job: answer_of(server.post(*job)) for job in jobs])
                again = [answer_of(server.post(*job)) for job in jobs]  # warm cache, alone
                self.assertEqual(got, again, flags)
                return got

        wanted = answers()
        for flags in (["--threads", "1"], ["--block-size", "64"], ["--isa", "scalar"], ["--isa", "avx2"],
                      ["--speculation", "none"], ["--no-enable-prefix-caching"],
                      ["--debug-preempt-every", "5"], ["--debug-chunk-tokens", "7"],
                      ["--max-num-seqs", "3"]):
            self.assertEqual(answers(*flags), wanted, flags)


class LifecycleTest(unittest.TestCase):
    def test_sigterm_drains(self):
        with Server(BINARY) as server:
            body = {"prompt": "Once", "max_tokens": 300, "ignore_eos": True}
            streams = []

            def follow():
                streams.append(server.stream("/v1/completions", body))

            def stop():
                time.sleep(0.5)
                server.process.send_signal(signal.SIGTERM)

            in_parallel([follow, follow, stop])
            self.assertEqual(server.process.wait(60), 0)
            for events in streams:
                reasons = [c["finish_reason"] for e in events for c in e["choices"] if c["finish_reason"]]
                self.assertEqual(reasons, ["length"])

    def test_a_service_manager_is_told(self):
        """The words are those of sd_notify(3); systemd itself is not needed to hear them."""
        with tempfile.TemporaryDirectory() as folder:
            for name, address in ((f"{folder}/notify", f"{folder}/notify"), (f"@quire-{os.getpid()}", f"\0quire-{os.getpid()}")):
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                    manager.bind(address)
                    manager.settimeout(60)
                    with Server(BINARY, environment={"NOTIFY_SOCKET": name}) as server:
                        self.assertEqual(manager.recv(4096).decode().splitlines(),
                                         ["READY=1", f"STATUS={server.ready_line.removeprefix('quire: ')}"])
                        self.assertEqual(server.get("/health")[0], 200)
                        self.assertEqual(server.terminate(), 0)
                        self.assertEqual(manager.recv(4096).decode().splitlines()[0], "STOPPING=1")

    def test_an_idle_server_burns_no_cpu(self):
        with Server(BINARY) as server:
            server.post("/v1/completions", {"prompt": "Hello", "max_tokens": 4})
            time.sleep(0.5)

            def cpu_ticks():
                fields = open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()
                return int(fields[11]) + int(fields[12])

            before = cpu_ticks()
            time.sleep(3)
            self.assertLessEqual(cpu_ticks() - before, 6)  # 2 % of one core at 100 ticks a second

    def test_wrong_usage(self):
        import subprocess
        wrong = subprocess.run([str(BINARY), "serve", "--modle", "x"], capture_output=True, text=True, check=False)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("--model", wrong.stderr)
        self.assertEqual(wrong.stdout, "")
        absent = subprocess.run([str(BINARY), "serve", "--model", "/nonexistent"], capture_output=True,
                                text=True, check=False)
        self.assertEqual(absent.returncode, 1)
        self.assertIn("/nonexistent", absent.stderr)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
