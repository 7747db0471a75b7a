#!/usr/bin/env python3
"""The API as a stranger uses it: embeddings, judging, filling in, token endpoints, limits, browsers, slow clients.

Oracle: demo_pooling.json (Transformers on the same model, by tools/demo_pooling.py), answers of other endpoints that must
agree, and the clock.
"""
import base64
import contextlib
import json
import math
import pathlib
import socket
import struct
import sys
import tempfile
import threading
import time
import unittest

from harness import DEMO, Server
from variants import FILL, JUDGE, renamed_demo

BINARY = None
EXPECTED = json.loads((pathlib.Path(__file__).resolve().parent / "demo_pooling.json").read_text())


def unit(vector):
    norm = math.sqrt(sum(x * x for x in vector))
    return [x / norm for x in vector]


class ApiTest(unittest.TestCase):
    def close(self, got, wanted, within=1e-4):
        self.assertEqual(len(got), len(wanted))
        for a, b in zip(got, wanted):
            self.assertAlmostEqual(a, b, delta=within)

    def test_embeddings_are_those_of_transformers(self):
        texts = [case["text"] for case in EXPECTED["embeddings"]]
        for pooling in ("last", "mean", "cls"):
            with Server(BINARY, "--task", "embed", "--pooling", pooling) as server:
                answer = server.post("/v1/embeddings", {"input": texts})
                for case, item in zip(EXPECTED["embeddings"], answer["data"]):
                    self.close(item["embedding"][:len(case[pooling])], case[pooling])
                    self.assertAlmostEqual(sum(x * x for x in item["embedding"]), 1, delta=1e-4)
                self.assertEqual(answer["usage"]["prompt_tokens"],
                                 sum(case["tokens"] for case in EXPECTED["embeddings"]))
                if pooling != "last":
                    continue
                whole = answer["data"][0]["embedding"]
                coded = server.post("/v1/embeddings", {"input": texts[0], "encoding_format": "base64"})
                raw = base64.b64decode(coded["data"][0]["embedding"])
                self.close(struct.unpack(f"<{len(raw) // 4}f", raw), whole, 1e-6)
                short = server.post("/v1/embeddings", {"input": texts[0], "dimensions": 8})
                self.close(short["data"][0]["embedding"], unit(whole[:8]), 1e-5)

    def test_judgements_are_those_of_transformers(self):
        with tempfile.TemporaryDirectory() as folder, Server(BINARY, "--task", "rerank",
                                                             model=renamed_demo(folder, JUDGE)) as server:
            ranked = server.post("/v1/rerank", {"query": EXPECTED["query"], "documents": EXPECTED["documents"]})
            scores = {item["index"]: item["relevance_score"] for item in ranked["results"]}
            self.close([scores[i] for i in range(len(scores))], EXPECTED["scores"])
            order = [item["relevance_score"] for item in ranked["results"]]
            self.assertEqual(order, sorted(order, reverse=True))
            scored = server.post("/v1/score", {"text_1": EXPECTED["query"], "text_2": EXPECTED["documents"]})
            self.close([item["score"] for item in scored["data"]], EXPECTED["scores"])
            best = server.post("/rerank", {"query": EXPECTED["query"], "documents": EXPECTED["documents"], "top_n": 1})
            self.assertEqual(best["results"], ranked["results"][:1])

    def test_fill_in_the_middle(self):
        with tempfile.TemporaryDirectory() as folder, Server(BINARY, model=renamed_demo(folder, FILL)) as server:
            def ids(text, special=False):
                return server.post("/tokenize", {"content": text, "add_special": False,
                                                 "parse_special": special})["tokens"]

            prompt = [*ids("<|fim_prefix|>", True), *ids("Once upon"), *ids("<|fim_suffix|>", True),
                      *ids(" the end."), *ids("<|fim_middle|>", True)]
            self.assertEqual(len(ids("<|fim_prefix|>", True)), 1)
            plain = server.post("/v1/completions", {"prompt": prompt, "max_tokens": 12, "temperature": 0})
            filled = server.post("/infill", {"input_prefix": "Once upon", "input_suffix": " the end.",
                                             "n_predict": 12, "temperature": 0})
            self.assertEqual(filled["content"], plain["choices"][0]["text"])
            suffixed = server.post("/v1/completions", {"prompt": "Once upon", "suffix": " the end.", "max_tokens": 12,
                                                       "temperature": 0})
            self.assertEqual(suffixed["choices"][0]["text"], plain["choices"][0]["text"])

    def test_token_endpoints_agree(self):
        with Server(BINARY) as server:
            messages = [{"role": "user", "content": "Héllo 🙂 <|im_end|>"}]
            text = server.post("/apply-template", {"messages": messages})["prompt"]
            self.assertIn("Héllo 🙂", text)
            tokens = server.post("/tokenize", {"content": "Héllo 🙂\n"})["tokens"]
            self.assertEqual(server.post("/detokenize", {"tokens": tokens})["content"], "Héllo 🙂\n")
            _, _, raw = server.get("/tokenizer_info")
            info = json.loads(raw)
            self.assertEqual(info["chat_template"], (DEMO / "chat_template.jinja").read_text())
            self.assertEqual(info["eos_token"], "<|im_end|>")
            count = server.post("/v1/messages/count_tokens", {"messages": messages})["input_tokens"]
            used = server.post("/v1/chat/completions", {"messages": messages, "max_tokens": 1})["usage"]
            self.assertEqual(count, used["prompt_tokens"])
            props = json.loads(server.get("/props")[2])
            model = json.loads(server.get("/v1/models")[2])["data"][0]
            self.assertEqual(props["default_generation_settings"]["n_ctx"], model["max_model_len"])
            self.assertEqual(props["chat_template"], info["chat_template"])

    def test_requests_are_seen_and_cancelled(self):
        with Server(BINARY) as server:
            outcome = []
            thread = threading.Thread(target=lambda: outcome.append(server.request(
                "POST", "/v1/completions", {"prompt": "Once", "max_tokens": 3000, "ignore_eos": True},
                {"X-Request-Id": "long-1"})))
            thread.start()
            end = time.monotonic() + 30
            while not (data := json.loads(server.get("/v1/requests")[2])["data"]):
                self.assertLess(time.monotonic(), end)
            self.assertEqual([item["id"] for item in data], ["long-1"])
            while not any(slot["is_processing"] for slot in json.loads(server.get("/slots")[2])):
                self.assertLess(time.monotonic(), end)
            status, _, body = server.request("DELETE", "/v1/requests/long-1")
            self.assertEqual(status, 200, body)
            thread.join(30)
            self.assertEqual(outcome[0][0], 400)
            self.assertEqual(json.loads(outcome[0][2])["error"]["code"], "request_cancelled")
            server.wait_idle(30)

    def test_retry_after_tells_the_truth(self):
        with Server(BINARY, "--max-num-seqs", "1", "--max-num-waiting", "0", "--speculation", "none") as server:
            done = []
            ask = {"prompt": "Once", "max_tokens": 3500, "ignore_eos": True, "temperature": 1, "seed": 3}
            threading.Thread(target=lambda: (server.post("/v1/completions", ask), done.append(time.monotonic()))).start()
            end = time.monotonic() + 30
            while not any(item["generated_tokens"] > 200 for item in json.loads(server.get("/v1/requests")[2])["data"]):
                self.assertLess(time.monotonic(), end)
            promises = []
            while not done:
                begin = time.monotonic()
                status, headers, _ = server.request("POST", "/v1/completions", {"prompt": "x", "max_tokens": 1})
                if status == 200:
                    break
                self.assertEqual(status, 429)
                promises.append((begin, int(headers["Retry-After"])))
                time.sleep(0.05)
            if not promises:
                self.skipTest("the machine was quicker than the question")
            while not done:
                time.sleep(0.01)
            # Rounded up, and the machine's pace changes while the request runs: most are within a factor of three.
            true = [promised for begin, promised in promises
                    if (done[0] - begin) / 3 - 1 < promised < 3 * (done[0] - begin) + 1.5]
            self.assertGreaterEqual(len(true), len(promises) / 2, (promises, done))

    def test_receipts_sum_to_the_wall_time(self):
        with Server(BINARY, "--receipts") as server:
            begin = time.monotonic()
            receipt = server.post("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 200})["receipt"]
            wall_ms = (time.monotonic() - begin) * 1e3
            parts = [receipt[name] for name in ("prepare_ms", "queued_ms", "prefill_ms", "decode_ms", "deliver_ms")]
            self.assertAlmostEqual(sum(parts), receipt["total_ms"], delta=1e-6)
            self.assertLessEqual(receipt["total_ms"], wall_ms)
            self.assertGreater(receipt["total_ms"], 0.2 * wall_ms)  # the rest is the network and this test's own work

    def test_limits_of_a_body(self):
        with Server(BINARY, "--max-body-bytes", "4096") as server:
            def status_of(body):
                status, _, data = server.request("POST", "/v1/completions", body)
                return status, json.loads(data)["error"]["message"] if status != 200 else ""

            head = b'{"max_tokens":1,"prompt":"'
            self.assertEqual(status_of(head + b"x" * (4096 - len(head) - 2) + b'"}')[0], 200)
            self.assertEqual(status_of(head + b"x" * (4097 - len(head) - 2) + b'"}')[0], 413)
            deep = b'{"prompt":"x","a":' + b"[" * 1000 + b"]" * 1000 + b"}"
            status, message = status_of(deep)
            self.assertEqual(status, 400)
            self.assertIn("nesting exceeds 64", message)
            self.assertEqual(status_of(b'{"prompt":"x","prompt":"y"}')[0], 400)
            self.assertEqual(status_of(b'{"prompt":"\xff"}')[0], 400)

    def test_browsers(self):
        with Server(BINARY, "--allowed-origins", "https://a.example") as server:
            fields = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST",
                      "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang"}
            status, headers, _ = server.request("OPTIONS", "/v1/chat/completions", headers=fields)
            self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (204, "https://a.example"))
            self.assertIn("x-stainless-lang", headers["Access-Control-Allow-Headers"].lower())
            _, headers, _ = server.request("OPTIONS", "/v1/chat/completions", headers={
                **fields, "Origin": "https://b.example"})
            self.assertNotIn("Access-Control-Allow-Origin", headers)

    def test_slow_clients_are_sent_away(self):
        with Server(BINARY, "--header-timeout", "0.5") as server:
            slow = [socket.create_connection((server.host, server.port)) for _ in range(50)]
            for one in slow:
                one.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n")
            end = time.monotonic() + 30
            for one in slow:  # a byte now and then does not help
                with contextlib.suppress(OSError):
                    one.sendall(b"X")
            self.assertEqual(server.get("/livez")[0], 200)
            for one in slow:
                one.settimeout(max(1, end - time.monotonic()))
                with contextlib.suppress(ConnectionResetError):
                    answer = one.recv(1000)
                    self.assertTrue(answer == b"" or b" 408 " in answer, answer)
                one.close()


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
