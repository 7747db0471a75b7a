#!/usr/bin/env python3
"""TLS, Unix sockets and keys of the built server, seen with Python's own ssl and socket modules as the judge."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

from harness import DEMO, Server, in_parallel

BINARY = None
LENGTHS = (1, 5, 40)


class UnixConnection(http.client.HTTPConnection):
    """http.client over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def ask(connection, method, path, body=None, headers=None):
    with contextlib.closing(connection):
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read()


def completion(length):
    return {"prompt": "Once upon a time", "max_tokens": length, "temperature": 0}


class AccessTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def certificate(self):
        if shutil.which("openssl") is None:
            self.skipTest("no openssl program to make a certificate with")
        cert, key = self.path / "cert.pem", self.path / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        return cert, key

    def test_tls(self):
        cert, key = self.certificate()
        flags = ["--ssl-certfile", str(cert), "--ssl-keyfile", str(key)]
        with Server(BINARY, *flags, scheme="https") as server:
            context = ssl.create_default_context(cafile=str(cert))
            context.set_alpn_protocols(["h2", "http/1.1"])

            def connect():
                return http.client.HTTPSConnection("127.0.0.1", server.port, timeout=60, context=context)

            with contextlib.closing(connect()) as kept:
                kept.connect()
                self.assertEqual(kept.sock.selected_alpn_protocol(), "http/1.1")
                for length in LENGTHS:  # one connection, several records
                    kept.request("POST", "/v1/completions", json.dumps(completion(length)),
                                 {"Content-Type": "application/json"})
                    answer = json.loads(kept.getresponse().read())
                    self.assertEqual(answer["usage"]["completion_tokens"], length)
            # A body far larger than a TLS record, and many at once.
            big = {"content": "word " * 60_000}
            answers = in_parallel([lambda: ask(connect(), "POST", "/tokenize", big)] * 4)
            for status, body in answers:
                self.assertEqual(status, 200)
                self.assertGreater(json.loads(body)["count"], 60_000 // 2)
            self.assertEqual(len({body for _, body in answers}), 1)
            with self.assertRaises((ssl.SSLError, ConnectionError)):  # TLS 1.1 is too old
                old = ssl.create_default_context(cafile=str(cert))
                old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
                old.maximum_version = ssl.TLSVersion.TLSv1_1
                ask(http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=old), "GET", "/livez")
            with self.assertRaises((http.client.HTTPException, ConnectionError)):  # plain HTTP on the TLS port
                ask(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10), "GET", "/livez")
            with contextlib.closing(connect()) as stream:  # a hang-up in the middle of a stream
                stream.request("POST", "/v1/completions", json.dumps({**completion(200), "stream": True}),
                               {"Content-Type": "application/json"})
                stream.getresponse().readline()
            self.assertEqual(ask(connect(), "GET", "/livez")[0], 200)
            self.assertEqual(server.terminate(), 0)

    def test_wrong_certificate_is_wrong_usage(self):
        cert, _ = self.certificate()
        result = subprocess.run([BINARY, "serve", "--model", str(DEMO), "--ssl-certfile", str(cert), "--ssl-keyfile",
                                 str(cert)], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("--ssl-keyfile", result.stderr)

    def test_unix_socket(self):
        path = str(self.path / "quire.sock")
        with socket.socket(socket.AF_UNIX) as leftover:  # nobody listens on it any more
            leftover.bind(path)
        with Server(BINARY, "--uds", path, uds=path) as server:
            for length in LENGTHS:
                status, body = ask(UnixConnection(path), "POST", "/v1/completions", completion(length))
                self.assertEqual((status, json.loads(body)["usage"]["completion_tokens"]), (200, length))
            second = subprocess.run([BINARY, "serve", "--model", str(DEMO), "--uds", path], capture_output=True,
                                    text=True, timeout=60, check=False)
            self.assertEqual(second.returncode, 1, "a socket in use must not be taken over")
            self.assertEqual(server.terminate(), 0)
        self.assertFalse(os.path.exists(path), "the socket's file must go with the server")

    def test_keys_from_flags_file_and_environment(self):
        keys = self.path / "keys"
        keys.write_text("# a comment\nfrom-file\n")
        with Server(BINARY, "--api-key", "one,two", "--api-key", "three", "--api-key-file", str(keys),
                    environment={"QUIRE_API_KEY": "from-environment"}) as server:
            for key in ("one", "two", "three", "from-file", "from-environment"):
                headers = {"Authorization": f"Bearer {key}"}
                self.assertEqual(server.request("GET", "/v1/models", headers=headers)[0], 200, key)
            self.assertEqual(server.get("/v1/models")[0], 401)
            self.assertEqual(server.get("/livez")[0], 200)
            props = server.request("GET", "/props", headers={"x-api-key": "one"})[2].decode()
            for key in ("three", "from-environment"):
                self.assertNotIn(key, props + "".join(server.log))


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
