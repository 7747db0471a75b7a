"""Starts the real server on a free port and speaks HTTP to it with the standard library alone."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"


class Server:
    """A running `quire serve`; use as a context manager. Standard error is kept for messages."""

    def __init__(self, binary, *flags, model=DEMO, environment=None, scheme="http", uds=None):
        self.log = []
        self.process = subprocess.Popen(
            [str(binary), "serve", "--model", str(model), "--host", "127.0.0.1", "--port", "0", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(environment or {})})
        threading.Thread(target=self._drain_stderr, daemon=True).start()
        self.ready_line = self.process.stdout.readline().strip()
        prefix = f"quire: ready on {scheme}://" if uds is None else f"quire: ready on unix:{uds}"
        if not self.ready_line.startswith(prefix):
            self.process.kill()
            raise RuntimeError(f"no ready line, got {self.ready_line!r}: " + "".join(self.log)[-2000:])
        if uds is not None:
            return
        self.host, port = self.ready_line[len(prefix):].rsplit(":", 1)
        self.port = int(port)

    def _drain_stderr(self):
        for line in self.process.stderr:
            self.log.append(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()

    def terminate(self, timeout=60):
        """SIGTERM, then the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def connect(self, timeout=120):
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, timeout=120):
        """(status, headers, body bytes) of one request on its own connection."""
        with contextlib.closing(self.connect(timeout)) as connection:
            data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            send = {"Content-Type": "application/json"} if data is not None else {}
            connection.request(method, path, data, {**send, **(headers or {})})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body):
        """The parsed answer; any status but 200 raises with the server's words."""
        status, _, data = self.request("POST", path, body)
        if status != 200:
            raise AssertionError(f"{path} answered {status}: {data[:500]!r}")
        return json.loads(data)

    def stream(self, path, body, limit=None):
        """Parsed SSE events of a streamed answer; stops reading (and hangs up) after `limit`."""
        events = []
        with contextlib.closing(self.connect()) as connection:
            connection.request("POST", path, json.dumps({**body, "stream": True}).encode(),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                raise AssertionError(f"{path} answered {response.status}: {response.read()[:500]!r}")
            done = False
            for line in response:
                if not line.startswith(b"data: "):
                    continue
                payload = line[6:].strip()
                if payload == b"[DONE]":
                    done = True
                    break
                events.append(json.loads(payload))
                if limit is not None and len(events) >= limit:
                    return events
            if not done:
                raise AssertionError(f"stream ended without [DONE] after {len(events)} events")
        return events

    def metric(self, name, **labels):
        """Sum of the samples of one metric whose labels include the given ones; None when absent."""
        _, _, text = self.get("/metrics")
        total = None
        for line in text.decode().splitlines():
            if not line.startswith(name) or line.startswith("#"):
                continue
            head, value = line.rsplit(" ", 1)
            if head.split("{")[0] != name:
                continue
            if all(f'{key}="{wanted}"' in head for key, wanted in labels.items()):
                total = (total or 0.0) + float(value)
        return total

    def wait_idle(self, timeout=5.0):
        """Until nothing runs or waits and no page is held; raises with the gauges otherwise."""
        end = time.monotonic() + timeout
        while True:
            gauges = [self.metric("vllm:num_requests_running"), self.metric("vllm:num_requests_waiting"),
                      self.metric("vllm:kv_cache_usage_perc")]
            if gauges == [0.0, 0.0, 0.0]:
                return
            if time.monotonic() > end:
                raise AssertionError(f"not idle after {timeout} s: running, waiting, usage = {gauges}")
            time.sleep(0.02)


def in_parallel(jobs):
    """Runs every job() in its own thread; results in order, the first exception raised."""
    results, errors = [None] * len(jobs), []

    def run(index):
        try:
            results[index] = jobs[index]()
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
