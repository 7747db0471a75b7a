#!/usr/bin/env python3
"""Requests of every API that end early: by the endpoint that cancels, by a client that hangs up.

Oracle: nothing runs and no page is held a moment later, every end is counted once as an abort, and the parts of the
next request's receipt sum to its whole.
"""
import contextlib
import http.client
import json
import sys
import threading
import time
import unittest

from harness import Server

BINARY = None
MESSAGES = [{"role": "user", "content": "Tell me a story about a moon."}]
LONG = {"ignore_eos": True, "temperature": 1, "seed": 5}
REQUESTS = {
    "/v1/chat/completions": {"messages": MESSAGES, "max_tokens": 3500},
    "/v1/completions": {"prompt": "Once upon a time", "max_tokens": 3500, "n": 2},
    "/v1/responses": {"input": "Tell me a story about a moon.", "max_output_tokens": 3500},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 3500},
    "/completion": {"prompt": "Once upon a time", "n_predict": 3500},
}


class CancelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(BINARY)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def begin(self, path, stream):
        """A connection whose request is generating."""
        connection = self.server.connect()
        connection.request("POST", path, json.dumps({**REQUESTS[path], **LONG, "stream": stream}).encode(),
                           {"Content-Type": "application/json", "X-Request-Id": "job"})
        end = time.monotonic() + 60
        while not any(item["state"] == "generating" for item in self.listed()):
            self.assertLess(time.monotonic(), end, "never began")
            time.sleep(0.005)
        return connection

    def listed(self):
        return json.loads(self.server.get("/v1/requests")[2])["data"]

    def ended(self, path, aborts_before):
        self.server.wait_idle(30)
        self.assertEqual(self.listed(), [])
        for pool in json.loads(self.server.get("/v1/cache/stats")[2])["pages"]:
            self.assertEqual(pool["referenced"], 0)
        aborts = self.aborts() - aborts_before
        self.assertEqual(aborts, REQUESTS[path].get("n", 1), "one abort for each choice")
        receipt = self.server.post("/v1/completions", {"prompt": "a", "max_tokens": 3, "receipt": True})["receipt"]
        parts = ("prepare_ms", "queued_ms", "prefill_ms", "decode_ms", "deliver_ms")
        self.assertAlmostEqual(sum(receipt[part] for part in parts), receipt["total_ms"], delta=0.01)

    def aborts(self):
        return self.server.metric("vllm:request_success_total", finished_reason="abort") or 0

    def test_cancelled_through_the_endpoint(self):
        for path in REQUESTS:
            for stream in (True, False):
                with self.subTest(path=path, stream=stream):
                    before = self.aborts()
                    with contextlib.closing(self.begin(path, stream)) as connection:
                        status, _, body = self.server.request("DELETE", "/v1/requests/job")
                        self.assertEqual((status, json.loads(body)["count"]), (200, 1))
                        response = connection.getresponse()
                        text = response.read().decode()
                        self.assertEqual(response.status, 200 if stream else 400)
                        self.assertIn("was cancelled through", text)
                        if stream:
                            self.last_event(path, text)
                    self.ended(path, before)

    def last_event(self, path, text):
        """Each API has an error of its own to end a stream with."""
        events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
        if path in ("/v1/chat/completions", "/v1/completions"):
            self.assertEqual(events.pop(), "[DONE]")
        last = json.loads(events[-1])
        if path == "/v1/responses":
            self.assertEqual((last["type"], last["response"]["status"]), ("response.failed", "cancelled"))
        elif path == "/v1/messages":
            self.assertEqual(last["type"], "error")
        else:
            self.assertEqual(last["error"]["code"], "request_cancelled")

    def test_clients_that_hang_up(self):
        for path in REQUESTS:
            for stream in (True, False):
                with self.subTest(path=path, stream=stream):
                    before = self.aborts()
                    self.begin(path, stream).close()
                    self.ended(path, before)

    def test_responses_are_cancelled_by_their_id(self):
        before = self.aborts()
        path = "/v1/responses"
        with contextlib.closing(self.begin(path, True)) as connection:
            response = connection.getresponse()
            created = json.loads(self.data_of(response))["response"]
            self.assertEqual(created["status"], "in_progress")
            told = self.server.post(f"{path}/{created['id']}/cancel", {})
            self.assertEqual((told["id"], told["status"]), (created["id"], "cancelled"))
            self.assertIn("response.failed", response.read().decode())
        self.ended(path, before)
        self.assertEqual(self.server.request("POST", f"{path}/{created['id']}/cancel")[0], 404)

    @staticmethod
    def data_of(response):
        for line in response:
            if line.startswith(b"data: "):
                return line[6:]
        raise AssertionError("the stream has no event")

    def test_a_crowd_that_leaves(self):
        """Twenty clients of every kind, half of which leave in the middle: the others' answers are whole."""
        whole = self.server.post("/v1/completions", {"prompt": "Once", "max_tokens": 200, **LONG})["choices"][0]["text"]
        texts = []

        def stay():
            events = self.server.stream("/v1/completions", {"prompt": "Once", "max_tokens": 200, **LONG})
            texts.append("".join(event["choices"][0]["text"] for event in events))

        def leave(path):
            with contextlib.suppress(http.client.HTTPException):
                connection = self.server.connect()
                connection.request("POST", path, json.dumps({**REQUESTS[path], **LONG, "stream": True}).encode(),
                                   {"Content-Type": "application/json"})
                connection.getresponse().read(400)
                connection.close()

        threads = [threading.Thread(target=stay) for _ in range(10)]
        threads += [threading.Thread(target=leave, args=(path,)) for path in REQUESTS for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.server.wait_idle(30)
        self.assertEqual(texts, [whole] * 10)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
