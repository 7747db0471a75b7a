"""Debian's Prometheus scrapes the server; every query of the dashboard and of the alerts must be answered.

promtool checks the alert rules and runs their tests before.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPS = ROOT / "docs" / "monitoring"
server = sys.argv[1].removeprefix("http://")


def post(path, body):
    request = urllib.request.Request(sys.argv[1] + path, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def ask(port, query):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?"
                                + urllib.parse.urlencode({"query": query})) as answer:
        return json.load(answer)["data"]["result"]


subprocess.run(["promtool", "check", "rules", OPS / "alerts.yml"], check=True, stdout=subprocess.DEVNULL)
subprocess.run(["promtool", "test", "rules", OPS / "alerts_test.yml"], check=True, stdout=subprocess.DEVNULL)
print("  promtool: rules and their tests ok")
dashboard = json.loads((OPS / "grafana.json").read_text())
queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
alerts = re.findall(r"expr: (.+)", (OPS / "alerts.yml").read_text())
# Of a counter that has not moved there may be no series yet: its names must exist all the same.
with tempfile.TemporaryDirectory() as folder:
    port = 19090
    config = pathlib.Path(folder) / "prometheus.yml"
    config.write_text(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: quire\n  static_configs:\n"
                      f"  - targets: ['{server}']\n")
    process = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                                f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"])
    try:
        for _ in range(6):
            post("/v1/completions", {"prompt": "Once", "max_tokens": 8})
            time.sleep(1)
        end = time.monotonic() + 30
        while not ask(port, 'up{job="quire"} == 1'):
            assert time.monotonic() < end, "the target never came up"
            time.sleep(0.5)
        for query in queries:
            query = query.replace("$__rate_interval", "30s")
            while not ask(port, query):  # a rate needs two scrapes
                assert time.monotonic() < end, f"no data for {query}"
                time.sleep(0.5)
        for alert in alerts:
            for name in set(re.findall(r"(?:vllm|quire|process|http)[:_]\w+", alert)):
                assert ask(port, name), f"the alerts read {name}, which is not there"
    finally:
        process.terminate()
        process.wait(30)
print(f"  prometheus: scraped; {len(queries)} queries of the dashboard and {len(alerts)} alerts have their series")
