"""What a network has between a program and a hub, for tests: certificates, a TLS hub, an HTTP proxy."""
import base64
import http.server
import select
import socket
import ssl
import subprocess
import threading

from fake_hub import FakeHub


class Authority:
    """A certificate authority of its own, in a folder; needs the openssl program."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test authority",
                     "-keyout", folder / "ca.key", "-out", self.ca)

    @staticmethod
    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    def issue(self, name, subject, days=2):
        """(certificate, key) for `subject`, as in DNS:hub.test or IP:127.0.0.1; days < 0: expired."""
        key, request, certificate, extensions = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem", "ext"))
        extensions.write_text(f"subjectAltName={subject}\n")
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / "ca.key", "-CAcreateserial",
                     "-days", days, "-extfile", extensions, "-out", certificate)
        return certificate, key


def with_tls(hub, certificate, key):
    """The hub speaks TLS from now on; its url says so."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    hub.server.socket = context.wrap_socket(hub.server.socket, server_side=True)
    hub.server.handle_error = lambda *_: None  # refused handshakes are part of the tests
    hub.url = hub.url.replace("http://", "https://")
    return hub


class SecureHub(FakeHub):
    def __init__(self, repos, certificate, key):
        super().__init__(repos)
        with_tls(self, certificate, key)


class Proxy:
    """An HTTP proxy that relays requests and tunnels CONNECT; `hosts` says where names lead ("name:port" -> (host, port)),
    others are refused. `login` is the "user:password" that it wants. `log` has (method, target, authorization)."""

    def __init__(self, hosts, login=None):
        self.hosts, self.login, self.log = hosts, login, []
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_CONNECT(self):
                upstream = proxy.open(self, self.path)
                if upstream is None:
                    return
                self.send_response(200, "Connection established")
                self.end_headers()
                proxy.pump(self.connection, upstream)
                self.close_connection = True

            def do_GET(self):
                target = self.path.split("//", 1)[1]
                host, _, path = target.partition("/")
                upstream = proxy.open(self, host if ":" in host else host + ":80")
                if upstream is None:
                    return
                head = f"{self.command} /{path} HTTP/1.1\r\n"
                for name, value in self.headers.items():
                    if not name.lower().startswith("proxy-"):
                        head += f"{name}: {value}\r\n"
                upstream.sendall((head + "\r\n").encode())
                proxy.pump(self.connection, upstream)
                self.close_connection = True

            do_HEAD = do_GET

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def open(self, request, target):
        given = request.headers.get("Proxy-Authorization")
        self.log.append((request.command, target, given))
        if self.login and given != "Basic " + base64.b64encode(self.login.encode()).decode():
            FakeHub.send(request, 407, {"Proxy-Authenticate": "Basic"})
            return None
        if target not in self.hosts:
            FakeHub.send(request, 403, {})
            return None
        return socket.create_connection(self.hosts[target])

    @staticmethod
    def pump(one, other):
        with other:
            while True:
                ready, _, _ = select.select([one, other], [], [], 30)
                if not ready:
                    return
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        return
                    (other if source is one else one).sendall(data)
