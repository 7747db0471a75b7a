"""The OpenAPI document under openapi-spec-validator, then schemathesis: random and boundary requests, wrong ones too.

No 5xx, no answer outside the schema, nothing accepted that the schema refuses, keys needed where the document says so.
The server is the script's own: a context of 64 tokens, so that an answer takes no longer than its question.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

from openapi_spec_validator import validate

from own_server import serve, url_of

# Left out: positive_data_acceptance (rules between fields, such as stream_options without stream, are no schema) and
# max_response_time (a machine that does other work as well).
CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
          "response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,ignored_auth,"
          "use_after_free,ensure_resource_availability")
# Random names of models would be 404 and reach nothing.
HOOKS = '''
import schemathesis

@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        body["model"] = "demo"
    return body
'''

with serve("--task", "embed", "--max-model-len", "64", "--log-level", "warning", "--api-key", "k") as server:
    with urllib.request.urlopen(urllib.request.Request(url_of(server) + "/openapi.json", headers={
            "Authorization": "Bearer k"})) as answer:
        document = json.load(answer)
    validate(document)
    print(f"  openapi: valid, {len(document['paths'])} paths")
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "hooks_of_quire.py").write_text(HOOKS)
        program = pathlib.Path(sys.executable).parent / "schemathesis"
        result = subprocess.run(
            [program, "run", url_of(server) + "/openapi.json", "--checks", CHECKS, "--header", "Authorization: Bearer k",
             "--phases", "coverage,fuzzing,stateful", "--max-examples", os.environ.get("QUIRE_EXAMPLES", "30"),
             "--request-timeout", "120", "--continue-on-failure", "--seed", os.environ.get("QUIRE_SEED", "1")],
            cwd=folder, env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks_of_quire", "PYTHONPATH": folder},
            capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stdout[-6000:] + result.stderr[-2000:])
    print("  schemathesis:", re.search(r"(\d+ generated.*)", result.stdout).group(1))
    assert server.process.poll() is None, "the server has gone"
