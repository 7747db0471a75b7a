#!/usr/bin/env python3
"""Runs real clients against the built server with the demo model and says what they did.

    python3 tests/clients/run.py build/quire [NAME ...]

Python packages go into virtual environments, Debian packages are unpacked, both under $QUIRE_CLIENTS_DIR
(default ~/.cache/quire-clients), never into the repository or the system. Needs the network once. Each client is a
script that gets the server's URL and fails by an exception; docs/clients.md keeps the results.
"""
import json
import os
import pathlib
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import Server  # noqa: E402  pylint: disable=wrong-import-position

HOME = pathlib.Path(os.environ.get("QUIRE_CLIENTS_DIR", pathlib.Path.home() / ".cache" / "quire-clients"))
FLAGS = ["--served-model-name", "demo", "--task", "embed"]
# name: (script, Python packages, Debian packages)
CLIENTS = {
    "openai": ("openai_sdk.py", ["openai"], []),
    "anthropic": ("anthropic_sdk.py", ["anthropic"], []),
    "sdk-errors": ("sdk_errors.py", ["openai", "anthropic", "httpx"], []),
    "litellm": ("litellm_client.py", ["litellm", "mcp"], []),
    "langchain": ("langchain_client.py", ["langchain-openai"], []),
    "llama-index": ("llama_index_client.py", ["llama-index-llms-openai-like"], []),
    "instructor": ("instructor_client.py", ["instructor"], []),
    "llm": ("llm_cli.py", ["llm"], []),
    "openai-agents": ("agents_client.py", ["openai-agents"], []),
    "pydantic-ai": ("pydantic_ai_client.py", ["pydantic-ai-slim[openai]"], []),
    "lm-eval": ("lm_eval_client.py", ["lm-eval[api]"], []),
    "openapi": ("openapi_client.py", ["openapi-spec-validator", "schemathesis"], []),
    "guidellm": ("guidellm_client.py", ["guidellm"], []),
    "wrk-hey": ("load_tools.py", [], ["wrk", "hey", "libluajit-5.1-2"]),
    "prometheus": ("prometheus_scrape.py", [], ["prometheus"]),
}


def python_for(name, packages):
    """An interpreter that has the packages, and their versions."""
    if not packages:
        return sys.executable, {}
    folder = HOME / name
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    names = [package.split("[")[0] for package in packages]
    code = ("import importlib.metadata as m, json; "
            f"print(json.dumps({{n: m.version(n) for n in {names!r}}}))")
    return str(python), json.loads(subprocess.run([python, "-c", code], check=True, capture_output=True).stdout)


def unpack(packages):
    """A PATH entry with the programs of Debian packages, and their versions."""
    versions = {}
    folder = HOME / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        found = sorted(folder.glob(f"{package}_*.deb"))
        if not found:
            subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
            found = sorted(folder.glob(f"{package}_*.deb"))
            subprocess.run(["dpkg", "-x", found[-1], folder / "root"], check=True)
        versions[package] = found[-1].name.split("_")[1].replace("%3a", ":")
    return str(folder / "root" / "usr" / "bin"), versions


def main():
    binary, chosen = sys.argv[1], sys.argv[2:] or list(CLIENTS)
    failed = []
    for name in chosen:
        script, packages, debian = CLIENTS[name]
        python, versions = python_for(name, packages)
        path, more = unpack(debian)
        environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}",
                       "QUIRE_BINARY": os.path.abspath(binary),
                       "LD_LIBRARY_PATH": str(HOME / "debian" / "root" / "usr" / "lib" / "x86_64-linux-gnu")}
        with Server(binary, *FLAGS) as server:
            result = subprocess.run([python, str(HERE / script), f"http://127.0.0.1:{server.port}"],
                                    env=environment, check=False, timeout=1800)
        versions |= more
        print(f"{name}: {'ok' if result.returncode == 0 else 'FAILED'} "
              f"({', '.join(f'{package} {version}' for package, version in versions.items())})", flush=True)
        if result.returncode != 0:
            failed.append(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
