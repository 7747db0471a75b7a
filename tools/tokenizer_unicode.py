"""Writes models/text/unicode_newer.cc: what the tokenizers library's regex engine (Unicode 16) puts into
each character class beyond Unicode 14, which PCRE2 10.42 knows.

    python tools/tokenizer_unicode.py > models/text/unicode_newer.cc

Needs the Python package tokenizers and a Python whose unicodedata is at most version 14.
"""

import unicodedata

from tokenizers import Regex, normalizers

CLASSES = (
    "Lu Ll Lm Lo Mn Mc Nd No Pd Po Sm Sc Sk So Cf Alphabetic "
    "Han Hiragana Katakana Latin Cyrillic Arabic Common Inherited"
).split()
NEW = [
    code
    for code in range(0x33500)
    if not 0xD800 <= code < 0xE000 and unicodedata.category(chr(code)) == "Cn"
]


def ranges(codes):
    out = []
    for code in codes:
        if out and out[-1][1] == code - 1:
            out[-1][1] = code
        else:
            out.append([code, code])
    return out


def members(name):
    text = "".join(map(chr, NEW))
    rest = set(normalizers.Replace(Regex("\\p{%s}" % name), "").normalize_str(text))
    return [code for code in NEW if chr(code) not in rest]


def main():
    assert unicodedata.unidata_version <= "14.0.0", unicodedata.unidata_version
    print("// Characters newer than Unicode 14, by class; written by tools/tokenizer_unicode.py.")
    print('#include "models/text/unicode_newer.h"\n\nnamespace quire::text {\nnamespace {\n')
    names = []
    for name in CLASSES:
        found = ranges(members(name))
        if not found:
            continue
        names.append(name)
        body = ", ".join("{0x%X, 0x%X}" % tuple(r) for r in found)
        print("constexpr CharRange k%s[] = {%s};" % (name, body))
    print("\nstruct Class {\n  std::string_view name;\n  std::span<const CharRange> ranges;\n};")
    print("constexpr Class kClasses[] = {")
    for name in names:
        print('    {"%s", k%s},' % (name.lower(), name))
    print("};\n\n}  // namespace\n")
    print("std::span<const CharRange> newer_chars(std::string_view name) {")
    print("  for (const Class& known : kClasses) {\n    if (known.name == name) return known.ranges;\n  }")
    print("  return {};\n}\n\n}  // namespace quire::text")


if __name__ == "__main__":
    main()
