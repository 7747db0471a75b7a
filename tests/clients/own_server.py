"""A server of the script's own, for keys, limits and draining; run.py names the program in QUIRE_BINARY."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import Server  # noqa: E402  pylint: disable=wrong-import-position


def serve(*flags, **options):
    """A harness.Server with the demo model as "demo"; a context manager."""
    return Server(os.environ["QUIRE_BINARY"], "--served-model-name", "demo", *flags, **options)


def url_of(server):
    return f"http://127.0.0.1:{server.port}"
