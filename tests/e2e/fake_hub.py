"""A Hugging Face hub of one process for tests: the model API and file downloads, with faults on demand."""
import hashlib
import http.server
import json
import re
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class FakeHub:
    """Serves {repo: {path: bytes}} on a free port; *.safetensors are large files (LFS).

    Faults, by attribute: cut (each answer of a large file ends after that many bytes), times_cut (how many
    are cut; None for all), token (what requests must carry), corrupt (paths with changed bytes),
    ignore_ranges, bare_list (no sizes and checksums in the list), errors (path -> list of statuses to answer
    first), redirect_to (another hub that large files are redirected to).
    """

    def __init__(self, repos):
        self.repos = repos
        self.cut, self.times_cut, self.token, self.corrupt = None, None, None, set()
        self.ignore_ranges = self.bare_list = False
        self.errors, self.redirect_to = {}, None
        self.log = []  # (method, path, range, authorization)
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                hub.answer(self)

            def do_HEAD(self):
                hub.answer(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def send(request, status, fields, body=b""):
        request.send_response(status)
        for name, value in fields.items():
            request.send_header(name, str(value))
        if "Content-Length" not in fields:
            request.send_header("Content-Length", str(len(body)))
        request.send_header("Connection", "close")
        request.end_headers()
        request.close_connection = True
        if request.command != "HEAD":
            request.wfile.write(body)

    def answer(self, request):
        path = request.path
        self.log.append((request.command, path, request.headers.get("Range"), request.headers.get("Authorization")))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}" and "/cdn/" not in path:
            return self.send(request, 401, {"X-Error-Code": "RepoNotFound"}, b"{}")
        if match := re.match(r"/api/models/([^/]+/[^/]+)/revision/([^?]+)", path):
            return self.list(request, *match.groups())
        if match := re.match(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.file(request, *match.groups())
        if match := re.match(r"/cdn/([^/]+/[^/]+)/(.+)", path):
            return self.body(request, self.repos[match[1]][match[2]], match[2])
        return self.send(request, 404, {}, b"{}")

    def list(self, request, repo, revision):
        if repo not in self.repos:
            return self.send(request, 404, {"X-Error-Code": "RepoNotFound"}, b"{}")
        if revision not in ("main", "v1", COMMIT):
            return self.send(request, 404, {"X-Error-Code": "RevisionNotFound"}, b"{}")
        siblings = []
        for path, data in self.repos[repo].items():
            entry = {"rfilename": path}
            if not self.bare_list:
                entry |= {"size": len(data), "blobId": git_sha1(data)}
                if path.endswith(".safetensors"):
                    entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data),
                                    "pointerSize": 130}
            siblings.append(entry)
        body = json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode()
        return self.send(request, 200, {"Content-Type": "application/json"}, body)

    def file(self, request, repo, _, path):
        data = self.repos.get(repo, {}).get(path)
        if data is None:
            return self.send(request, 404, {"X-Error-Code": "EntryNotFound"}, b"{}")
        if self.errors.get(path):
            return self.send(request, self.errors[path].pop(0), {}, b"no")
        is_large = path.endswith(".safetensors")
        etag = hashlib.sha256(data).hexdigest() if is_large else git_sha1(data)
        if is_large:
            host = self.redirect_to.url if self.redirect_to else self.url
            fields = {"Location": f"{host}/cdn/{repo}/{path}", "X-Linked-Etag": f'"{etag}"',
                      "X-Linked-Size": len(data), "X-Repo-Commit": COMMIT}
            return self.send(request, 302, fields)
        return self.body(request, data, path, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    def body(self, request, data, path, fields=None):
        fields = dict(fields or {})
        if path in self.corrupt:
            data = data[:-1] + bytes([data[-1] ^ 1])
        status, wanted = 200, request.headers.get("Range")
        if wanted and not self.ignore_ranges:
            begin, end = re.match(r"bytes=(\d+)-(\d+)", wanted).groups()
            fields["Content-Range"] = f"bytes {begin}-{end}/{len(data)}"
            data, status = data[int(begin):int(end) + 1], 206
        fields["Content-Length"] = len(data)
        is_cut = self.cut is not None and path.endswith(".safetensors") and self.times_cut != 0
        if is_cut and self.times_cut is not None:
            self.times_cut -= 1
        return self.send(request, status, fields, data[:self.cut] if is_cut else data)
