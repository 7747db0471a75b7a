"""What the openai and anthropic SDKs make of 401, 403, 408, 413, 429 and 503, and whether their retries help.

Starts servers of its own: one with keys and one place to run and one to wait, one that is being shut down.
"""
import signal
import sys
import threading
import time

import anthropic
import httpx
import openai

from own_server import serve, url_of

KEYS = ("--api-key", "first,second")
FULL = {"model": "demo", "prompt": "Once", "temperature": 1, "seed": 1, "extra_body": {"ignore_eos": True}}


def openai_at(url, key="first", **options):
    return openai.OpenAI(base_url=url + "/v1", api_key=key, **{"max_retries": 0, **options})


def raised(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was expected")


def keys(server):
    url = url_of(server)
    for key in ("first", "second"):
        assert openai_at(url, key).models.list().data[0].id == "demo"
    for wrong in ("third", "first,second", "Bearer first"):
        error = raised(openai.AuthenticationError, lambda w=wrong: openai_at(url, w).models.list())
        assert error.code == "invalid_api_key" and error.request_id
        assert error.response.headers["www-authenticate"].startswith("Bearer")
    ask = {"model": "demo", "max_tokens": 2, "messages": [{"role": "user", "content": "x"}]}
    assert anthropic.Anthropic(base_url=url, api_key="second", max_retries=0).messages.create(**ask).content
    error = raised(anthropic.AuthenticationError,
                   lambda: anthropic.Anthropic(base_url=url, api_key="third", max_retries=0).messages.create(**ask))
    assert error.body["error"]["type"] == "authentication_error"


def too_large(server):
    big = "x" * (9 << 20)
    error = raised(openai.APIStatusError, lambda: openai_at(url_of(server)).completions.create(
        model="demo", prompt=big, max_tokens=1))
    assert error.status_code == 413


def overload(server):
    api = openai_at(url_of(server))
    # One request runs and one waits: some seconds of work until the first has left.
    busy = [threading.Thread(target=lambda: api.completions.create(max_tokens=3500, **FULL)) for _ in range(2)]
    for thread in busy:
        thread.start()
    end = time.monotonic() + 10
    while len(in_flight(server)) < 2:
        assert time.monotonic() < end, "the two requests did not arrive"
        time.sleep(0.02)
    error = raised(openai.RateLimitError, lambda: api.completions.create(max_tokens=2, **FULL))
    assert error.code == "rate_limit_exceeded" and 1 <= int(error.response.headers["retry-after"]) <= 60
    other = anthropic.Anthropic(base_url=url_of(server), api_key="first", max_retries=0)
    limited = raised(anthropic.RateLimitError, lambda: other.messages.create(
        model="demo", max_tokens=2, messages=[{"role": "user", "content": "x"}]))
    assert limited.body["error"]["type"] == "rate_limit_error"
    # The SDK waits as long as it is told, and is then served.
    patient = openai_at(url_of(server), max_retries=5)
    begin = time.monotonic()
    assert patient.completions.create(max_tokens=2, **FULL).usage.completion_tokens == 2
    waited = time.monotonic() - begin
    for thread in busy:
        thread.join()
    print(f"    429 said {error.response.headers['retry-after']} s; an SDK that retries was served after {waited:.1f} s")


def timeouts(server):
    api = openai_at(url_of(server))
    with api.completions.create(max_tokens=3000, stream=True, **FULL) as running:  # the next one has to wait
        next(iter(running))
        error = raised(openai.APIStatusError, lambda: api.completions.create(
            max_tokens=2, **{**FULL, "extra_body": {"deadline_ms": 50}}))
    assert error.status_code == 504 and error.response.headers["x-should-retry"] == "false"
    server_free(server)
    raised(openai.APITimeoutError, lambda: openai_at(url_of(server), timeout=0.3).completions.create(
        max_tokens=3000, **FULL))
    server_free(server)


def in_flight(server):
    answer = httpx.get(url_of(server) + "/v1/requests", headers={"Authorization": "Bearer first"})
    return answer.json()["data"]


def server_free(server):
    """The request that its client gave up is gone, too."""
    end = time.monotonic() + 10
    while in_flight(server):
        assert time.monotonic() < end, "a request outlived its client"
        time.sleep(0.05)


def shutting_down(server):
    api = openai_at(url_of(server))
    texts, reasons = [], []

    def stream():
        for chunk in api.completions.create(max_tokens=3500, stream=True, **FULL):
            texts.append(chunk.choices[0].text)
            reasons.append(chunk.choices[0].finish_reason)

    thread = threading.Thread(target=stream)
    thread.start()
    with httpx.Client(headers={"Authorization": "Bearer first"}) as kept:  # a connection from before
        assert kept.get(url_of(server) + "/readyz").status_code == 200
        while not texts:
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        answer = kept.post(url_of(server) + "/v1/completions", json={"prompt": "x", "max_tokens": 1})
        if thread.is_alive():  # else the stream was quicker than the signal
            assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1, answer.text
            assert openai_at(url_of(server))._make_status_error_from_response(answer).__class__ is (
                openai.InternalServerError)
    thread.join()
    assert reasons[-1] == "length", "a stream was cut by the drain"
    assert server.process.wait(60) == 0


assert sys.argv[1]
with serve(*KEYS, "--max-num-seqs", "1", "--max-num-waiting", "1") as full:
    for test in (keys, too_large, overload, timeouts):
        test(full)
        print(f"  sdk-errors {test.__name__}: ok", flush=True)
with serve(*KEYS) as leaving:
    shutting_down(leaving)
    print("  sdk-errors shutting_down: ok")
