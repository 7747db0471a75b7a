#!/usr/bin/env python3
"""Each rule of tidy.py must fire on a text that breaks it and stay silent on one that does not."""
import sys
import unittest

import tidy


def messages(path, text):
    return [message for _, message in tidy.check_text(path, text)]


class TidyTest(unittest.TestCase):
    def expect(self, path, body, fragment):
        found = messages(path, "// Purpose.\n" + body)
        self.assertTrue(any(fragment in message for message in found), found)

    def test_clean_file_passes(self):
        self.assertEqual(messages("base/a.cc", '// Purpose.\n#include "base/a.h"\nint f() { return 1; }\n'), [])

    def test_diamond(self):
        self.expect("scheduler/a.cc", '#include "models/model.h"\n', "may not include")
        self.expect("models/a.cc", '#include "cache/kv_store.h"\n', "may not include")
        self.expect("cache/a.cc", '#include "kernels/kernels.h"\n', "may not include")
        self.assertEqual(messages("cache/a.cc", '// P.\n#include "kernels/paged_kv.h"\n'), [])

    def test_homes(self):
        self.expect("engine/a.cc", "#include <boost/asio.hpp>\n", "belongs in server")
        self.expect("models/text/a.cc", "#include <nlohmann/json.hpp>\n", "belongs in")

    def test_bans(self):
        self.expect("base/a.cc", "std::regex r;\n", "std::regex")
        self.expect("base/a.cc", "auto* p = new Foo(1);\n", "naked new")
        self.expect("base/a.cc", "// TO" + "DO later\n", "unfinished")
        self.assertEqual(messages("base/a.cc", '// P.\nauto s = "std::regex";\n'), [])

    def test_sizes(self):
        self.expect("base/a.cc", "int x;\n" * 501, "exceed 500")
        self.expect("base/a.cc", "x" * 101 + "\n", "columns exceed")
        self.expect("base/a.cc", "int f(int a) {\n" + "  a++;\n" * 70 + "}\n", "function of")
        self.assertEqual(messages("base/a.cc", "// P.\nstruct S {\n" + "  int a;\n" * 80 + "};\n"), [])

    def test_first_line(self):
        self.assertIn("the first line says what the file is for", messages("base/a.cc", "int x;\n"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
