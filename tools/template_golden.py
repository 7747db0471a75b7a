#!/usr/bin/env python3
"""Writes tests/golden/templates/cases.json: small templates with what Jinja2 renders for them.

The environment is Transformers' own, so that the expected texts are those of apply_chat_template.
Needs transformers and jinja2. Usage: python tools/template_golden.py [output]
"""
import copy
import datetime
import json
import pathlib
import sys

import transformers.utils.chat_template_utils as chat_template_utils

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import template_cases

# What strftime_now sees, in the tests too.
NOW = datetime.datetime(2026, 11, 21, 12, 34, 56)


class FrozenTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(source, context):
    """{"text": ...} or {"error": ...} of one template over one context."""
    chat_template_utils.datetime = FrozenTime
    compile_template = getattr(
        chat_template_utils._compile_jinja_template, "__wrapped__", chat_template_utils._compile_jinja_template
    )
    try:
        text = compile_template(source).render(**copy.deepcopy(context))
        text.encode("utf-8")
        return {"text": text}
    except Exception as error:  # whatever Python raises is an error of the template
        return {"error": f"{type(error).__name__}: {error}"[:120]}


def main():
    output = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/templates/cases.json"
    contexts = template_cases.CONTEXTS
    cases = []
    for name, source in template_cases.all_cases():
        result = render(source, contexts[name])
        if " at 0x" not in result.get("text", ""):  # an address: nothing to compare
            cases.append({"context": name, "template": source, **result})
    document = {"now": "2026-11-21T12:34:56", "contexts": contexts, "cases": cases}
    with open(output, "w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False, indent=0)
        file.write("\n")
    errors = sum("error" in case for case in cases)
    print(f"{len(cases)} cases, {errors} of them errors, to {output}")


if __name__ == "__main__":
    main()
