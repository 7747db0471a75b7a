#!/usr/bin/env python3
"""Writes random templates with what Jinja2 renders for them, for the test RendersRandomTemplatesAsJinja2.

Slices of constants are left out: Jinja folds them while compiling and gets an undefined value where
the same slice of a variable raises an error.

Usage: python tools/template_diff.py SEED COUNT OUTPUT
       QUIRE_TEMPLATE_CASES=OUTPUT build/text_tests --gtest_filter='*RandomTemplates*'
"""
import json
import random
import re
import signal
import sys
import warnings

import template_cases
from template_golden import render

warnings.simplefilter("ignore")

NAMES = list(template_cases.CONTEXTS["main"]) + ["missing", "x", "y", "ns"]
NAME = re.compile(r"\b(" + "|".join(NAMES) + r")\b")
LITERALS = [
    "0", "1", "2", "-1", "3.5", "1e3", "0.1", "'a'", "'b,c'", "''", "' x '", "'aé世'", "'A1'", "'%s'", "'%d|%5.1f'",
    "'{}'", "'{:>5}'", "true", "false", "none", "[]", "[1, 2, 3]", "['b', 'a']", "{}", "{'a': 1, 'b': [2]}", "(1, 2)", "(1,)",
    "range(3)", "'<b>'|safe", "'\\n'", "'a\\nb'", "'10'", "1.0", "2.5", "-7", "'x-y z'", "[[1, 2], [0]]", "[none, 1, 'a']",
]
BINARY = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", ">", "<=", ">=", "in", "not in", "and", "or", "**"]
FILTERS = [
    "abs", "attr('upper')", "batch(2)", "capitalize", "center(9)", "count", "d('D')", "default('D', true)", "dictsort", "e", "escape",
    "first", "float", "float(9)", "forceescape", "groupby(0)", "indent", "indent(2, true)", "int", "int(7)", "join", "join('-')", "last",
    "length", "list", "lower", "items", "map('string')", "map(attribute='a')", "map('upper')", "min", "max", "reject", "reject('none')",
    "replace('a', 'Z')", "reverse", "round", "round(1)", "round(0, 'ceil')", "safe", "select", "select('string')", "selectattr('a')",
    "rejectattr('name')", "slice(2)", "sort", "sort(true)", "string", "sum", "title", "trim", "truncate(4)", "unique", "upper", "urlencode",
    "wordcount", "tojson", "tojson(indent=1)", "tojson(sort_keys=true)", "tojson(ensure_ascii=true)", "format(1)", "list|length",
    "filesizeformat", "xmlattr", "dictsort(by='value')", "sort(attribute='name')", "map(attribute='name')|join(',')", "items|list",
    "map('int')|list", "unique|list", "reverse|list", "batch(2, 0)|list", "select|list", "map('first')|list", "map('length')|list",
]
TESTS = [
    "odd", "even", "divisibleby 2", "defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "lower", "upper",
    "string", "mapping", "number", "sequence", "iterable", "callable", "sameas none", "escaped", "in [1, 'a']", "eq 1", "gt 1", "ne 'a'",
    "filter", "test", "not none", "not string", "not defined",
]
METHODS = [
    "upper()", "lower()", "strip()", "strip('a ')", "split()", "split(',')", "split('a', 1)", "rsplit(' ', 1)", "title()", "capitalize()",
    "replace('a', 'b')", "startswith('a')", "endswith(('a', 'z'))", "find('a')", "count('a')", "join(['p', 'q'])", "items()", "keys()",
    "values()", "get('a')", "get('zz', 1)", "index(1)", "count(1)", "isdigit()", "isalpha()", "zfill(5)", "partition(',')", "a", "b",
    "name", "x.y", "append(1)", "copy()", "format(1, 2)", "format(a=1)", "splitlines()", "lstrip()", "swapcase()", "ljust(6, '.')",
    "removeprefix('a')", "isupper()", "islower()", "istitle()", "isspace()", "casefold()", "rpartition('a')", "expandtabs(2)",
]
INDEXES = ["0", "-1", "1", "5", "'a'", "'name'", "1:", ":2", "::-1", ":-1", "-2:", "::2", "1:5:2", "none", "x", "5:1:-1", "0:0"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, items):
        return self.random.choice(items)

    def expression(self, depth):
        kind = self.random.randrange(14) if depth > 0 else self.random.randrange(3)
        inner = lambda: self.expression(depth - 1)
        if kind == 0:
            return self.pick(LITERALS)
        if kind in (1, 2):
            return self.pick(NAMES)
        if kind in (3, 4):
            left, right = inner(), inner()
            operator = self.pick(BINARY)
            if operator == "**":
                right = self.pick(["0", "1", "2", "-1"])
            return self.pick(["{} {} {}", "({} {} {})"]).format(left, operator, right)
        if kind in (5, 6, 7):
            return f"{self.maybe_parenthesized(inner())}|{self.pick(FILTERS)}"
        if kind == 8:
            return f"{self.maybe_parenthesized(inner())} is {self.pick(TESTS)}"
        if kind in (9, 10):
            return f"{self.maybe_parenthesized(inner())}.{self.pick(METHODS)}"
        if kind == 11:
            text, index = self.maybe_parenthesized(inner()), self.pick(INDEXES)
            if ":" in index and not NAME.search(re.sub("'[^']*'", "", text)):
                index = "0"
            return f"{text}[{index}]"
        if kind == 12:
            return self.pick(
                [f"{inner()} if {inner()} else {inner()}", f"{inner()} if {inner()}", f"not {inner()}", f"-{inner()}", f"({inner()})"]
            )
        return self.pick(
            [f"[{inner()}, {inner()}]", f"({inner()}, {inner()})", f"{{'k': {inner()}, {inner()}: 2}}", f"dict(a={inner()})", f"namespace(a={inner()}).a",
             f"'%s %r' % ({inner()}, {inner()})", f"'{{}}|{{!r}}'.format({inner()}, {inner()})", f"range({inner()})|list", f"{inner()} ~ {inner()}"]
        )

    def maybe_parenthesized(self, text):
        return f"({text})" if self.random.random() < 0.6 else text

    def space(self):
        return self.pick(["", "", " ", "\n", "\n  ", " \n", "t", "\t"])

    def tag(self, body):
        left, right = self.pick(["{%", "{%-", "{%", "{%+"]), self.pick(["%}", "-%}", "%}", "+%}"])
        return f"{left} {body} {right}"

    def statement(self, depth):
        kind = self.random.randrange(12) if depth > 0 else 0
        body = lambda: "".join(self.statement(depth - 1) for _ in range(self.random.randrange(1, 3)))
        e = lambda: self.expression(2)
        if kind <= 2:
            text = self.pick(["{{ %s }}", "{{- %s }}", "{{ %s -}}"]) % e()
        elif kind in (3, 4):
            target, iterable = self.pick([("x", e()), ("x", "l"), ("x", "users"), ("x, y", "d.items()"), ("x", "names|sort"), ("x", "range(4)")])
            condition = self.pick(["", "", f" if {e()}"])
            otherwise = self.pick(["", self.tag("else") + body()])
            loop = self.pick(["{{ loop.index }}", "{{ loop.last }}", "{{ loop.nextitem }}", "", "{{ loop.length }}", self.tag("break"), self.tag(f"if {e()}") + self.tag("continue") + self.tag("endif")])
            text = self.tag(f"for {target} in {iterable}{condition}") + body() + loop + body() + otherwise + self.tag("endfor")
        elif kind == 5:
            text = self.tag(f"if {e()}") + body() + self.pick(["", self.tag(f"elif {e()}") + body()]) + self.pick(["", self.tag("else") + body()]) + self.tag("endif")
        elif kind in (6, 7):
            text = self.tag(self.pick([f"set x = {e()}", f"set y = {e()}", f"set n = {e()}", f"set x, y = {e()}, {e()}", f"set ns = namespace(a={e()})", f"set ns.a = {e()}"]))
        elif kind == 8:
            text = self.tag(self.pick(["set x", "set y | upper", "set n"])) + body() + self.tag("endset")
        elif kind == 9:
            arguments = self.pick(["", "x", "x, y=1", "x=2"])
            call = self.pick(["", "1", "y=3", "1, 2", "*l"])
            text = self.tag(f"macro f({arguments})") + body() + self.pick(["", "{{ caller() }}", "{{ varargs }}", "{{ kwargs }}"]) + self.tag("endmacro")
            text += self.pick([f"{{{{ f({call}) }}}}", self.tag(f"call f({call})") + body() + self.tag("endcall")])
        elif kind == 10:
            text = self.pick([self.tag("filter upper") + body() + self.tag("endfilter"), self.tag(f"with x = {e()}") + body() + self.tag("endwith"),
                              self.tag("generation") + body() + self.tag("endgeneration"), "{# c #}", "{#- c -#}", "{% raw %}{{ x }}{% endraw %}"])
        else:
            text = self.space() + self.space()
        return self.space() + text + self.space()

    def template(self):
        if self.random.random() < 0.5:
            return "{{ " + self.expression(3) + " }}"
        return "".join(self.statement(2) for _ in range(self.random.randrange(1, 4)))


def too_slow(*_):
    raise TimeoutError


def main():
    seed, count, output = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    contexts = template_cases.CONTEXTS
    generator = Generator(seed)
    cases = []
    signal.signal(signal.SIGALRM, too_slow)
    while len(cases) < count:
        source = generator.template()
        signal.alarm(2)
        try:
            result = render(source, contexts["main"])
        except TimeoutError:
            continue
        finally:
            signal.alarm(0)
        # Addresses and huge results cannot be compared.
        if "0x7" in result.get("text", "").lower() or len(result.get("text", "")) > 100_000:
            continue
        cases.append({"context": "main", "template": source, **result})
    with open(output, "w", encoding="utf-8") as file:
        json.dump({"now": "2026-11-21T12:34:56", "contexts": contexts, "cases": cases}, file, ensure_ascii=False)


if __name__ == "__main__":
    main()
