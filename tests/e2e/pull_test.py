"""`quire pull` against a hub of our own: what lands in the cache is compared with the bytes the hub has.

The layout is the one that huggingface_hub 0.36 documents ("Understand caching"); where huggingface_hub is
installed, it reads the result itself.
"""
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from fake_hub import COMMIT, FakeHub, git_sha1
from harness import DEMO, Server
from network import Authority, Proxy, SecureHub

BINARY = None
REPO = "org/tiny"


def demo_files():
    return {path.name: path.read_bytes() for path in DEMO.iterdir() if path.is_file() and path.name != "README.md"}


class PullTest(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)
        big = random.Random(1).randbytes(300_000)
        self.files = {"config.json": b"{}", "tokenizer.json": b'{"a": 1}', "README.md": b"no",
                      "pytorch_model.bin": b"never", "onnx/model.onnx": b"never", "model.safetensors": big,
                      "additional_chat_templates/tool_use.jinja": b"{{ 1 }}", "empty.json": b""}
        self.hub = self.enterContext(FakeHub({REPO: self.files})) if sys.version_info >= (3, 11) else None
        if self.hub is None:
            self.hub = FakeHub({REPO: self.files})
            self.addCleanup(self.hub.__exit__)

    def quire(self, *words, hub=True, limits=None, **variables):
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith(("HF_", "QUIRE_", "SSL_")) and not key.lower().endswith("_proxy")}
        environment |= {"HF_HOME": str(self.home), **variables}
        if hub:
            environment["HF_ENDPOINT"] = self.hub.url
        return subprocess.run([BINARY, *words], capture_output=True, text=True, env=environment, timeout=120,
                              stdin=subprocess.DEVNULL, preexec_fn=limits)

    def pull(self, *words, name=REPO, **variables):
        return self.quire("pull", name, "--part-size", "64K", "--retries", "1", *words, **variables)

    @property
    def folder(self):
        return self.home / "hub" / "models--org--tiny"

    def check_snapshot(self):
        snapshot = self.folder / "snapshots" / COMMIT
        for path in ("config.json", "tokenizer.json", "model.safetensors", "empty.json",
                     "additional_chat_templates/tool_use.jinja"):
            data = self.files[path]
            self.assertEqual((snapshot / path).read_bytes(), data, path)
            etag = hashlib.sha256(data).hexdigest() if path.endswith(".safetensors") else git_sha1(data)
            self.assertTrue((snapshot / path).is_symlink())
            self.assertEqual((snapshot / path).resolve(), (self.folder / "blobs" / etag).resolve())
            self.assertFalse(os.path.isabs(os.readlink(snapshot / path)), "links must survive a moved cache")
        for path in ("README.md", "pytorch_model.bin", "onnx"):
            self.assertFalse((snapshot / path).exists(), path)
        self.assertEqual([], [blob.name for blob in (self.folder / "blobs").iterdir() if "." in blob.name])

    def requests_of(self, path):
        return [entry for entry in self.hub.log if entry[1].endswith(path)]

    def test_layout(self):
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.strip(), str(self.folder / "snapshots" / COMMIT))
        self.assertEqual((self.folder / "refs" / "main").read_text(), COMMIT)
        self.check_snapshot()
        self.assertEqual(len(self.requests_of("/cdn/org/tiny/model.safetensors")), 5, "300,000 bytes in parts of 64 KiB")
        self.hub.log.clear()
        again = self.pull()
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual([entry for entry in self.hub.log if "/resolve/" in entry[1]], [], "nothing is fetched twice")

    def test_the_real_library_reads_the_cache(self):
        try:
            import huggingface_hub
        except ImportError:
            self.skipTest("huggingface_hub is not installed")
        self.assertEqual(self.pull().returncode, 0)
        found = huggingface_hub.try_to_load_from_cache(REPO, "model.safetensors", cache_dir=self.home / "hub")
        self.assertEqual(pathlib.Path(found).read_bytes(), self.files["model.safetensors"])
        info = huggingface_hub.scan_cache_dir(self.home / "hub")
        self.assertEqual([repo.repo_id for repo in info.repos], [REPO])
        self.assertEqual(info.warnings, [])

    def test_revisions(self):
        done = self.pull(name=REPO + "@v1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.folder / "refs" / "v1").read_text(), COMMIT)
        done = self.pull("--revision", COMMIT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse((self.folder / "refs" / COMMIT).exists(), "a commit needs no ref")
        done = self.pull(name=REPO + "@v9")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no revision v9", done.stderr)

    def test_no_such_repository(self):
        done = self.pull(name="org/none")
        self.assertEqual(done.returncode, 1)
        self.assertIn("check the name", done.stderr)
        self.assertEqual(self.pull(name="nonsense").returncode, 2)

    def test_token(self):
        self.hub.token = "secret-1"
        done = self.pull()
        self.assertEqual(done.returncode, 1)
        self.assertIn("HF_TOKEN", done.stderr)
        self.assertIn("refuses the token", self.pull(HF_TOKEN="wrong").stderr)
        done = self.pull(HF_TOKEN="secret-1")
        self.assertEqual(done.returncode, 0, done.stderr)
        shutil.rmtree(self.home / "hub")
        (self.home / "token").write_text("secret-1\n")
        self.assertEqual(self.pull().returncode, 0, "the stored login counts")

    def test_the_token_stays_at_home(self):
        with FakeHub({REPO: self.files}) as elsewhere:
            self.hub.redirect_to, self.hub.token = elsewhere, "secret-2"
            done = self.pull(HF_TOKEN="secret-2")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_snapshot()
            self.assertTrue(elsewhere.log)
            self.assertEqual({entry[3] for entry in elsewhere.log}, {None}, "no token for another host")

    def test_mirror_without_checksums_in_its_list(self):
        self.hub.bare_list = True
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_snapshot()

    def test_a_server_without_ranges(self):
        self.hub.ignore_ranges = True
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_snapshot()

    def test_cut_connections_go_on(self):
        self.hub.cut, self.hub.times_cut = 10_000, 9
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_snapshot()

    def test_resume_after_a_failed_pull(self):
        self.hub.cut = 0
        self.hub.times_cut = None
        self.pull("--connections", "1")
        self.hub.cut = None
        self.hub.errors["model.safetensors"] = []
        # Let two parts come, then refuse: the next run fetches the other three only.
        original, served = self.hub.body, []

        def body(request, data, path, fields=None):
            if path == "model.safetensors":
                served.append(path)
                if len(served) > 2:
                    return FakeHub.send(request, 500, {}, b"")
            return original(request, data, path, fields)

        self.hub.body = body
        done = self.pull("--connections", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("500", done.stderr)
        self.assertEqual([path.suffix for path in sorted((self.folder / "blobs").glob("*.parts*"))], [".parts", ".done"])
        self.hub.body = original
        self.hub.log.clear()
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.requests_of("/cdn/org/tiny/model.safetensors")), 3)
        self.check_snapshot()

    def test_errors_that_pass(self):
        self.hub.errors["config.json"] = [503]
        self.hub.errors["tokenizer.json"] = [429]
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_wrong_checksum(self):
        for path in ("model.safetensors", "tokenizer.json"):
            self.hub.corrupt = {path}
            done = self.pull()
            self.assertEqual(done.returncode, 1)
            self.assertIn("checksum", done.stderr)
            self.assertFalse((self.folder / "snapshots" / COMMIT / path).exists())
            self.hub.corrupt = set()
            self.assertEqual(self.pull().returncode, 0)
            shutil.rmtree(self.home / "hub")

    def test_full_disk(self):
        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
            import signal
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        done = self.pull("--connections", "1", limits=small_files)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("disk is full", done.stderr)
        self.assertIn("goes on", done.stderr)
        self.hub.log.clear()
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(len(self.requests_of("/cdn/org/tiny/model.safetensors")), 5, "what came is kept")
        self.check_snapshot()

    def test_offline(self):
        done = self.pull("--offline")
        self.assertEqual(done.returncode, 1)
        self.assertIn("offline", done.stderr)
        self.assertEqual(self.hub.log, [])
        self.assertEqual(self.pull().returncode, 0)
        self.hub.log.clear()
        done = self.pull(HF_HUB_OFFLINE="1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.hub.log, [])

    def test_hostile_paths(self):
        for path in ("../evil.json", "/etc/evil.json", "a/../../evil.json"):
            self.hub.repos[REPO] = {**self.files, path: b"{}"}
            done = self.pull()
            self.assertEqual(done.returncode, 1)
            self.assertIn("leads out", done.stderr)

    def test_no_weights(self):
        del self.files["model.safetensors"]
        self.assertIn("safetensors", self.pull().stderr)

    def test_shards(self):
        index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
        self.files |= {"model.safetensors.index.json": json.dumps(index).encode(),
                       "model-1.safetensors": b"1" * 70_000, "model-2.safetensors": b"2" * 1000}
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)
        snapshot = self.folder / "snapshots" / COMMIT
        self.assertEqual((snapshot / "model-1.safetensors").read_bytes(), b"1" * 70_000)
        self.assertFalse((snapshot / "model.safetensors").exists(), "the shards are the weights")

    def test_unreachable(self):
        done = self.quire("pull", REPO, hub=False, HF_ENDPOINT="http://127.0.0.1:9")
        self.assertEqual(done.returncode, 1)
        self.assertIn("127.0.0.1:9", done.stderr)

    def test_files_by_name(self):
        done = self.pull("config.json", "token*")
        self.assertEqual(done.returncode, 0, done.stderr)
        snapshot = self.folder / "snapshots" / COMMIT
        self.assertEqual(sorted(path.name for path in snapshot.iterdir()), ["config.json", "tokenizer.json"])
        self.assertEqual(self.pull("README.md", name=REPO + "@v1").returncode, 0, "any file, not only a model's")
        self.assertEqual((snapshot / "README.md").read_bytes(), b"no")
        self.assertIn("has no file nothing", self.pull("nothing").stderr)
        self.hub.log.clear()
        self.assertEqual(self.pull("README.md", "--offline").returncode, 0)
        self.assertEqual(self.pull("model.safetensors", "--offline").returncode, 1)
        self.assertEqual(self.hub.log, [])

    def test_the_hub_says_how_long_to_wait(self):
        """429 with Retry-After: the next attempt comes after that time, not after the first pause of half a second."""
        times, original = [], self.hub.answer

        def answer(request):
            times.append(time.monotonic())
            if len(times) in (1, 3):
                return FakeHub.send(request, 429, {"Retry-After": "2"}, b"slow down")
            return original(request)

        self.hub.answer = answer
        done = self.pull("--connections", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreaterEqual(times[1] - times[0], 2)
        self.assertGreaterEqual(times[3] - times[2], 2)
        self.hub.answer = lambda request: FakeHub.send(request, 429, {}, b"slow down")
        done = self.quire("pull", REPO, "--retries", "0", "--force")
        self.assertEqual(done.returncode, 1)
        self.assertIn("wait a while", done.stderr)

    def test_two_at_once(self):
        """Locks: two programs that pull the same model fetch each part once between them."""
        environment = {**os.environ, "HF_HOME": str(self.home), "HF_ENDPOINT": self.hub.url}
        both = [subprocess.Popen([BINARY, "pull", REPO, "--part-size", "64K", "--connections", "2"], env=environment,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
        for process in both:
            self.assertEqual(process.wait(120), 0, process.communicate()[1])
            process.stderr.close()
        self.assertEqual(len(self.requests_of("/cdn/org/tiny/model.safetensors")), 5)
        self.check_snapshot()

    def test_interrupted(self):
        """Ctrl-C ends a pull in good order; the same command goes on."""
        self.hub.cut, self.hub.times_cut = 1000, None
        environment = {**os.environ, "HF_HOME": str(self.home), "HF_ENDPOINT": self.hub.url}
        process = subprocess.Popen([BINARY, "pull", REPO, "--retries", "100"], env=environment, stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, text=True)
        while not self.requests_of("/cdn/org/tiny/model.safetensors"):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertIn("goes on from here", words)
        self.hub.cut = None
        self.assertEqual(self.pull().returncode, 0)
        self.check_snapshot()

    def test_models_run_by_name(self):
        self.hub.repos["quire/demo"] = demo_files()
        words = ["Once", "--raw", "--temperature", "0", "--max-tokens", "8"]
        by_name = self.quire("generate", "quire/demo", *words)
        self.assertEqual(by_name.returncode, 0, by_name.stderr)
        self.assertEqual(by_name.stdout, self.quire("generate", str(DEMO), *words).stdout)
        self.hub.log.clear()
        environment = {"HF_HOME": str(self.home), "HF_ENDPOINT": self.hub.url}
        with Server(BINARY, model="quire/demo", environment=environment) as server:
            status, _, body = server.get("/v1/models")
            self.assertEqual((status, json.loads(body)["data"][0]["id"]), (200, "quire/demo"))
        self.assertEqual(self.hub.log, [], "what the cache has is not asked for")


@unittest.skipUnless(shutil.which("openssl"), "the openssl program is not installed")
class SecureTest(PullTest):
    """Every test of PullTest again, by HTTPS with an authority that SSL_CERT_FILE names."""

    @classmethod
    def setUpClass(cls):
        cls.keys = pathlib.Path(tempfile.mkdtemp())
        cls.authority = Authority(cls.keys)
        cls.own = cls.authority.issue("own", "IP:127.0.0.1,DNS:hub.test")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.keys)

    def setUp(self):
        super().setUp()
        plain, self.hub = self.hub, SecureHub(self.hub.repos, *self.own)
        plain.__exit__()
        self.addCleanup(self.hub.__exit__)
        before = os.environ.get("SSL_CERT_FILE")
        os.environ["SSL_CERT_FILE"] = str(self.authority.ca)
        self.addCleanup(lambda: os.environ.pop("SSL_CERT_FILE") if before is None else
                        os.environ.__setitem__("SSL_CERT_FILE", before))

    def quire(self, *words, **options):
        options.setdefault("SSL_CERT_FILE", str(self.authority.ca))
        return super().quire(*words, **options)

    def hub_with(self, subject, days=2):
        hub = SecureHub({REPO: self.files}, *self.authority.issue("other", subject, days))
        self.addCleanup(hub.__exit__)
        self.hub, plain = hub, self.hub
        self.addCleanup(plain.__exit__)

    def test_the_token_stays_at_home(self):
        """Also between two secure hubs, and never from https to http."""
        with SecureHub({REPO: self.files}, *self.own) as elsewhere:
            self.hub.redirect_to, self.hub.token = elsewhere, "secret-2"
            self.assertEqual(self.pull(HF_TOKEN="secret-2").returncode, 0)
            self.assertEqual({entry[3] for entry in elsewhere.log}, {None})
        shutil.rmtree(self.home / "hub")
        with FakeHub({REPO: self.files}) as elsewhere:
            self.hub.redirect_to = elsewhere
            done = self.pull(HF_TOKEN="secret-2")
            self.assertEqual((done.returncode, elsewhere.log), (1, []), "https does not lead to http")
            self.assertIn("from https to http", done.stderr)

    def test_an_unknown_authority(self):
        done = self.pull(SSL_CERT_FILE="/dev/null")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--ca-file", done.stderr)
        self.assertEqual(self.hub.log, [], "nothing is asked of a hub that cannot show who it is")
        done = self.pull("--ca-file", str(self.authority.ca), SSL_CERT_FILE="/dev/null")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.pull("--ca-file", str(self.home / "none.pem"))
        self.assertIn("none.pem", done.stderr)

    def test_another_name(self):
        self.hub_with("DNS:elsewhere.test")
        done = self.pull("--retries", "0")
        self.assertEqual((done.returncode, self.hub.log), (1, []))
        self.assertIn("another name", done.stderr)

    def test_expired(self):
        self.hub_with("IP:127.0.0.1", days=-1)
        done = self.pull("--retries", "0")
        self.assertEqual((done.returncode, self.hub.log), (1, []))
        self.assertIn("expired", done.stderr)

    def place(self):
        return "127.0.0.1", int(self.hub.url.rsplit(":", 1)[1])

    def test_a_tunnel(self):
        """CONNECT: the proxy resolves the name, sees no token, and the certificate is checked against the name."""
        with Proxy({"hub.test:443": self.place()}) as proxy:
            self.hub.url = "https://hub.test"
            self.hub.token = "secret-3"
            done = self.pull(HTTPS_PROXY=f"http://{proxy.address}", HF_TOKEN="secret-3")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_snapshot()
            self.assertEqual({entry[:2] for entry in proxy.log}, {("CONNECT", "hub.test:443")})

    def test_a_tunnel_with_a_password(self):
        with Proxy({"hub.test:443": self.place()}, login="me:p@ss") as proxy:
            self.hub.url = "https://hub.test"
            done = self.pull("--retries", "0", https_proxy=f"http://{proxy.address}")
            self.assertEqual(done.returncode, 1)
            self.assertIn("USER:PASSWORD@", done.stderr)
            done = self.pull(https_proxy=f"http://me:p%40ss@{proxy.address}")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_tunnel_that_is_refused(self):
        with Proxy({}) as proxy:
            self.hub.url = "https://hub.test"
            done = self.pull("--retries", "0", https_proxy=proxy.address)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"the proxy {proxy.address} refused", done.stderr)
            done = self.pull("--retries", "0", https_proxy="socks5://127.0.0.1:9")
            self.assertIn("only proxies of the form http://", done.stderr)


class ProxyTest(PullTest):
    """Every test of PullTest again, through a proxy that relays plain requests to a name that only it knows."""

    def setUp(self):
        super().setUp()
        port = self.hub.url.rsplit(":", 1)[1]
        self.proxy = Proxy({f"hub.test:{port}": ("127.0.0.1", int(port))})
        self.addCleanup(self.proxy.__exit__)
        self.hub.url = f"http://hub.test:{port}"
        before = os.environ.get("http_proxy")
        os.environ["http_proxy"] = self.proxy.address
        self.addCleanup(lambda: os.environ.pop("http_proxy") if before is None else
                        os.environ.__setitem__("http_proxy", before))

    def quire(self, *words, **options):
        options.setdefault("http_proxy", self.proxy.address)
        return super().quire(*words, **options)

    def test_what_goes_past_it(self):
        for name in ("hub.test", ".test", "other, *.test", "hub.test:" + self.hub.url.rsplit(":", 1)[1], "*"):
            done = self.quire("pull", REPO, "--retries", "0", NO_PROXY=name)
            self.assertEqual((done.returncode, self.proxy.log), (1, []), name)
            self.assertIn("hub.test", done.stderr)
        self.assertEqual(self.pull(NO_PROXY="b.test, est, hub.test:1").returncode, 0)
        self.assertGreater(len(self.proxy.log), 3)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
