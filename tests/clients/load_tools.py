"""wrk and hey: probes and short completions at concurrency, without a failed request."""
import json
import re
import subprocess
import sys

url = sys.argv[1]
text = subprocess.run(["wrk", "-t2", "-c64", "-d3s", url + "/livez"], check=True, capture_output=True, text=True).stdout
assert "Non-2xx" not in text and "Socket errors" not in text, text
print("  wrk /livez:", re.search(r"Requests/sec:\s+([\d.]+)", text).group(1), "requests/s")
body = json.dumps({"prompt": "Once", "max_tokens": 4, "temperature": 0})
text = subprocess.run(["hey", "-n", "64", "-c", "16", "-m", "POST", "-T", "application/json", "-d", body,
                       url + "/v1/completions"], check=True, capture_output=True, text=True).stdout
assert "[200]\t64 responses" in text, text
print("  hey /v1/completions:", re.search(r"Requests/sec:\s+([\d.]+)", text).group(1), "requests/s")
