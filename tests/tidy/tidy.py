#!/usr/bin/env python3
"""The house rules that a machine can check: the include diamond, the homes of libraries, sizes, bans."""
import pathlib
import re
import sys

ROOMS = ["base", "kernels", "cache", "models", "scheduler", "engine", "server", "cli"]
# Room -> rooms whose headers it may include besides its own.
MAY_INCLUDE = {
    "base": [],
    "kernels": ["base"],
    "cache": ["base", "kernels/paged_kv.h"],
    "models": ["base", "kernels"],
    "scheduler": ["base", "cache"],
    "engine": ["base", "kernels", "cache", "models", "scheduler"],
    "server": ["base", "engine", "models/text", "models/load/json.h", "cache/cache_manager.h",
               "scheduler/request.h"],
    "cli": ["base", "kernels", "models", "engine", "server"],
}
# Third-party header prefix -> the only places that may include it.
HOMES = {
    "boost/": ["server", "cli/http_client.cc"],
    "histedit": ["cli/line_editor.cc"],
    "prometheus/": ["server"],
    "sentencepiece": ["models/text"],
    "pcre2": ["models/text"],
    "unicode/": ["models/text"],
    "cblas": ["kernels/gemm"],
    "tbb/": ["base/parallel.cc"],
    "oneapi/": ["base/parallel.cc"],
    "nlohmann/": ["models/load/json.h", "models/load/json.cc", "models/text/jinja/value.h"],
}
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 100
FAMILY_LINES_MAX = 120
BANNED = [
    (r"std::regex\b", "std::regex crashes on long input"),
    (r"(?<![\w:.])(?:std::)?printf\s*\(", "printf: use fmt or log"),
    (r"(?<![\w:.>])(?:std::)?rand\s*\(\s*\)", "rand: use base/rng.h"),
    (r"(?<![\w_])assert\s*\(", "assert: use CHECK"),
    (r"^(?!.*unique_ptr<).*\bnew\s+[A-Za-z_][\w:<>]*\s*[\(\{\[]", "naked new"),
    (r"\balloca\s*\(", "alloca"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", "unfinished by its own words"),
    (r"std::random_device|std::mt19937", "hidden randomness: use base/rng.h or base/entropy.h"),
]


def strip_code(text):
    """The text with comments and string contents blanked, line structure kept."""
    out, i, n = [], 0, len(text)
    while i < n:
        if text.startswith("//", i):
            end = text.find("\n", i)
            end = n if end < 0 else end
            out.append(" " * (end - i))
            i = end
        elif text.startswith("/*", i):
            end = text.find("*/", i)
            end = n if end < 0 else end + 2
            out.append(re.sub(r"[^\n]", " ", text[i:end]))
            i = end
        elif text.startswith('R"', i) and (match := re.match(r'R"([^()\\ ]*)\(', text[i:])):
            close = ")" + match.group(1) + '"'
            end = text.find(close, i)
            end = n if end < 0 else end + len(close)
            out.append(re.sub(r"[^\n]", " ", text[i:end]))
            i = end
        elif text[i] == '"' or (text[i] == "'" and not (i and text[i - 1].isalnum())):
            quote, j = text[i], i + 1
            while j < n and text[j] != quote and text[j] != "\n":
                j += 2 if text[j] == "\\" else 1
            out.append(quote + " " * (min(j, n) - i - 1) + (quote if j < n else ""))
            i = j + 1
        else:
            out.append(text[i])
            i += 1
    return "".join(out)


def room_of(path):
    return path.split("/")[0]


def in_place(path, places):
    return any(path == place or path.startswith(place.rstrip("/") + "/") for place in places)


def check_includes(path, text):
    room = room_of(path)
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        target = match.group(2)
        for prefix, homes in HOMES.items():
            if target.startswith(prefix) and room in ROOMS and not in_place(path, homes):
                yield number, f"<{target}> belongs in {', '.join(homes)}"
        if match.group(1) == '"' and room in ROOMS and room_of(target) in ROOMS:
            if room_of(target) != room and not in_place(target, MAY_INCLUDE[room]):
                yield number, f'{room}/ may not include "{target}"'
        if match.group(1) == '"' and room_of(target) not in ROOMS + ["tests", "bench"]:
            yield number, f'"{target}": project includes start at the root'


def check_functions(code):
    """Bodies by brace matching: a '{' that follows ')' or a qualifier opens a function."""
    stack, line, head = [], 1, ""
    for char in code:
        if char == "\n":
            line += 1
            head += " "
        elif char == "{":
            opener = head.strip()
            is_function = bool(re.search(
                r"\)\s*(const|noexcept|override|final|mutable|&|&&|->\s*[\w:<>,\s\*&]+|\s)*$", opener))
            is_control = re.search(r"(^|[\s;}])(if|for|while|switch|catch)\s*(constexpr\s*)?\(", opener)
            stack.append((line, is_function and not is_control))
            head = ""
        elif char == "}":
            if stack:
                start, is_function = stack.pop()
                if is_function and line - start + 1 > FUNCTION_LINES_MAX:
                    yield start, f"function of {line - start + 1} lines exceeds {FUNCTION_LINES_MAX}"
            head = ""
        elif char == ";":
            head = head + char if head.count("(") > head.count(")") else ""
        else:
            head += char


def check_text(path, text):
    """Yields (line, message) for every broken rule of one source file."""
    lines = text.split("\n")
    code = strip_code(text)
    if len(lines) - 1 > FILE_LINES_MAX:
        yield len(lines), f"{len(lines) - 1} lines exceed {FILE_LINES_MAX}"
    if path.startswith("models/families/") and len(lines) - 1 > FAMILY_LINES_MAX:
        yield len(lines), f"a family of {len(lines) - 1} lines exceeds {FAMILY_LINES_MAX}"
    if not lines[0].startswith("//"):
        yield 1, "the first line says what the file is for"
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS_MAX:
            yield number, f"{len(line)} columns exceed {LINE_COLUMNS_MAX}"
    yield from check_includes(path, text)
    yield from check_functions(code)
    for number, (line, raw) in enumerate(zip(code.split("\n"), lines), 1):
        for pattern, why in BANNED:
            if re.search(pattern, raw if "unfinished" in why else line):
                yield number, why
    if path.endswith(".h") and "#pragma once" not in text:
        yield 1, "no #pragma once"


def family_names(root):
    """Model types that a family file answers to, which no other place may test."""
    names = set()
    for path in sorted((root / "models" / "families").glob("*.cc")):
        names.add(path.stem)
    return names


def check_family_names(path, text, names):
    if room_of(path) not in ROOMS or path.startswith("models/families"):
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("#include"):
            continue
        for name in names:
            if re.search(rf'"{name}(_text|_moe|_moe_text)?"', line):
                yield number, f'the model name "{name}" outside models/families/'


def check_doc_links(root):
    for doc in sorted(root.glob("**/*.md")):
        relative = doc.relative_to(root).as_posix()
        if relative.startswith(("build", "demo/")):
            continue
        for number, line in enumerate(doc.read_text().split("\n"), 1):
            for target in re.findall(r"\]\(([^)#\s]+)\)", line):
                if "://" not in target and not (doc.parent / target).exists():
                    yield f"{relative}:{number}: link to nothing: {target}"


def sources(root):
    for folder in ROOMS + ["tests", "bench"]:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc"):
                yield path


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    names = family_names(root)
    count, problems = 0, []
    for path in sources(root):
        count += 1
        relative = path.relative_to(root).as_posix()
        text = path.read_text()
        for number, message in [*check_text(relative, text), *check_family_names(relative, text, names)]:
            problems.append(f"{relative}:{number}: {message}")
    problems += check_doc_links(root)
    for problem in problems:
        print(problem)
    print(f"tidy: {count} files, {len(problems)} problems")
    return 1 if problems or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
