"""The OpenAPI document under a validator, then schemathesis: no 5xx, no answer outside the schema."""
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

from openapi_spec_validator import validate

with urllib.request.urlopen(sys.argv[1] + "/openapi.json") as answer:
    document = json.load(answer)
validate(document)
print(f"  openapi: valid, {len(document['paths'])} paths")
program = pathlib.Path(sys.executable).parent / "schemathesis"
examples = os.environ.get("QUIRE_EXAMPLES", "20")
subprocess.run([program, "run", sys.argv[1] + "/openapi.json", "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
                "--max-examples", examples, "--request-timeout", "60"], check=True)
