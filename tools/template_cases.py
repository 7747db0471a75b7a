"""The constructs of chat templates, one small template each. Read by template_golden.py."""

CONTEXTS = {
    "main": {
        "n": 7, "f": 2.5, "neg": -3, "zero": 0, "t": True, "no": False, "none_value": None,
        "s": "Hello World", "u": "Grüße, 世界 🌍!", "empty": "", "ws": "  pad \t\n ",
        "lines": "one\ntwo\r\nthree\n\nfive", "csv": "a,b,,c", "html": "<b>\"x\" & 'y'</b>",
        "l": [3, 1, 2], "names": ["bob", "Alice", "carol", "alice"], "mixed": [1, "a", None, True, 2.0],
        "nested": [[1, 2], [3, [4, 5]]], "d": {"b": 1, "a": 2, "C": 3}, "empty_list": [], "empty_dict": {},
        "deep": {"x": {"y": [{"z": "found"}]}},
        "users": [
            {"name": "Bob", "age": 30, "city": "Zürich", "ok": True},
            {"name": "alice", "age": 25, "city": "bern", "ok": False},
            {"name": "Carol", "age": 30, "city": "Bern"},
        ],
        "items_key": {"items": [1, 2], "keys": "k", "get": 5},
        "big": 12345678901234567890, "small": 1e-7, "large": 1e22, "third": 0.1,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"function": {"name": "f", "arguments": {"x": 1, "y": [True, None]}}}]},
            {"role": "tool", "content": "{\"r\": 1}"},
            {"role": "user", "content": [{"type": "text", "text": "p1"}, {"type": "image"}]},
        ],
        "tree": [{"n": "a", "c": [{"n": "b", "c": []}, {"n": "c", "c": [{"n": "d", "c": []}]}]}, {"n": "e", "c": []}],
        "add_generation_prompt": True, "bos_token": "<s>",
    },
}

EXPRESSIONS = r"""
1 + 2 * 3
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7 / 2
6 / 2
2 ** 10
2 ** -1
2 ** 3 ** 2
-2 ** 2
(-2) ** 3
2 ** 0.5
1 / 0
1 // 0
1 % 0
1.0 / 0
7.5 // 2
-7.5 // 2
7.5 % 2
-7.5 % 2
7.5 % -2
0.1 + 0.2
1e3
1e16
123456789012345678
1e15
1.5e-5
0.0001
0.00001
1e100
100000000000000000000.0
3.0
-0.0
0.0 == -0.0
1_000
0x1F
0b101
0o17
1_0.5
true + true
1 == 1.0
1 == true
"1" == 1
none == none
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2 != 1
"a" < "b"
"a" < 1
[1, 2] < [1, 3]
[1] < [1, 0]
(1, 2) == [1, 2]
(1, 2) == (1, 2)
none < 1
[] and 1
0 or "x"
1 and 2
not 0
not not "a"
1 if true else 2
1 if false
(1 if false) is undefined
"x" if n > 5 else "y" if n > 3 else "z"
1 ~ 2 ~ none ~ true ~ 1.0
"a" + "b"
"a" + 1
1 + "a"
[1] + [2]
[1] + (2,)
(1,) + (2,)
"ab" * 3
3 * "ab"
"ab" * -1
"ab" * 1.5
[1, 2] * 2
(1,) * 3
"a" in "abc"
1 in "abc"
2 in l
9 not in l
"b" in d
1 in d
none in mixed
true in mixed
[1, 2] in nested
"x" in none_value
"x" in missing
1 in 5
2 in range(3)
2.0 in range(3)
l[0]
l[-1]
l[5]
l[5] is defined
l["x"]
l[1.0]
l[true]
u[0]
u[-2]
u[7]
u[100]
s[1:4]
s[:-1]
s[::-1]
s[::2]
s[-3:]
s[10:2]
s[10:2:-2]
s[1:100]
u[7:9]
u[::-1]
u[-4:-1]
l[1:]
l[::-1]
l[:1]
l[5:]
l[::0]
l["a":]
(1, 2, 3)[1:]
none_value[1:]
d[1:]
range(10)[2:8:3]
range(10)[::-1]|list
range(10)[-1]
d.a
d["a"]
d.missing
d.missing is defined
d["missing"]
d.missing.x
missing
missing.x
missing["x"]
missing is defined
missing is undefined
deep.x.y[0].z
deep["x"]["y"][0]["z"]
deep.x.y.0.z
d.items()
d.keys()
d.values()
d.items()|list
d.keys()|list
d.keys()[0]
items_key.items()|list
items_key["items"]
items_key.keys is string
items_key.get("keys")
d.get("a")
d.get("zz")
d.get("zz", 5)
d.get("zz") is none
d.get()
d.copy()
d.update({"x": 1})
d.pop("a")
l.append(4)
l.append
l.append is defined
l.pop()
l.sort()
l.index(1)
l.index(9)
l.count(1)
l.copy()
(1, 2).index(2)
(1, 2).append(3)
d.__class__
d.__class__ is defined
d.__class__.__mro__
"".__class__
s.__len__
s._private
d._x
{"_x": 1}._x
{"_x": 1}["_x"]
{"__y": 1}.__y
{"a": 1, "b": [1, 2], 3: none}
{"a": 1, "a": 2}
{1: "x", true: "y", 1.0: "z"}
{[1]: 2}
{(1, 2): 3}
[1, "a", none, true, 1.5, [], {}, ()]
(1,)
()
("a", "b")
'it\'s'
"say \"hi\""
"it's \"both\""
["it's", 'say "hi"', "both ' and \"", "\n\t\\", "é世🌍", "\x00\x7f\xa0\u200b\ue000"]
"a" "b" 'c'
"\x41\u00e9\U0001F30D\101\N{BULLET}"
"\d\é"
none
true
false
None
True
False
n
big
big + 1
small
large
third
mixed
nested
d
users[0]
u
[u]
range(3)
range(1, 10, 3)
range(5, 0, -2)|list
range(3)|list
range(200000)
range(1, 2, 0)
range("a")
range(1.5)
range(true)|list
range(3) == range(0, 3)
range(3)|length
range(3).start
dict(a=1, b=2)
dict([("a", 1), ("b", 2)])
dict({"x": 1}, y=2)
dict(["ab", "cd"])
dict.fromkeys(["a", "b"], 0)
namespace(a=1)
namespace({"a": 1}, b=2).b
namespace(_a=1)
namespace(a=1).zzz is defined
namespace(a=1)["a"]
namespace()
raise_exception("boom")
strftime_now("%Y-%m-%d %H:%M:%S")
strftime_now("%d %b %Y, %A %B %j %U %W %V %G %u %w %p %I %y %%")
strftime_now("%-d %-m %e %D %F %T %R %r %c %x %X %h %C %n%t|%Z%z|")
strftime_now(1)
joiner()
cycler()
n()
none()
"%s" % "x"
"%s and %s" % ("a", 1)
"%d" % 3.7
"%d" % "x"
"%5d|%-5d|%05d|%+d|% d" % (1, 2, 3, 4, 5)
"%x %X %o %#x %#o" % (255, 255, 8, 255, 8)
"%f %.2f %e %g %G" % (1.5, 2.345, 12345.678, 0.00001, 1e10)
"%10.3f|%-10.1f|%+.1e" % (3.14159, 2.5, 12345.0)
"%s %r %a" % ("é", "é", "é")
"%.2s|%5s|%-5s|" % ("abc", "x", "y")
"%(a)s-%(b)05.1f" % {"a": 1, "b": 2.25}
"%(zz)s" % {"a": 1}
"%%"  % ()
"100%" % ()
"%c%c" % (65, "z")
"%s" % (1, 2)
"%s %s" % 1
"%s" % [1, 2]
"%s" % {"a": 1}
"%z" % 1
"x" % 1
"x" % []
"%*d" % (5, 3)
"%i %u" % (1, 2)
"%5.1f%%" % 12.345
"%s" % none
"%s" % missing
"%d" % true
"{} {}".format(1, "a")
"{0} {1} {0}".format(1, 2)
"{a} {b}".format(a=1, b=2)
"{a[x]} {b[0]} {c.real}".format(a={"x": 1}, b=[5], c=3)
"{:>10}|{:<10}|{:^10}|{:*^9}".format("a", "b", "c", "d")
"{:5d}|{:<5d}|{:05d}|{:+d}|{: d}|{:,}|{:_}".format(1, 2, 3, 4, 5, 1234567, 1234567)
"{:x} {:X} {:o} {:b} {:#x} {:#b} {:c}".format(255, 255, 8, 5, 255, 5, 65)
"{:.2f} {:10.3f} {:e} {:g} {:%} {:.1%}".format(1.005, 3.14159, 12345.678, 0.0001, 0.5, 0.123)
"{:.3} {:.3} {:10.4}|".format(3.14159, "abcdef", 2.0)
"{!r} {!s} {!a}".format("é", "é", "é")
"{:{}}|{:{w}.{p}f}".format("a", 5, 1.5, w=8, p=2)
"{{}} {}".format(1)
"{}".format()
"{a}".format()
"{".format()
"}".format()
"{} {0}".format(1, 2)
"{:d}".format("x")
"{:s}".format(1)
"{:>5}".format([1])
"{}".format([1, "a"])
"{:,.2f}".format(1234567.891)
"{:010.2f}|{:=+8d}|{:<08d}".format(-3.14159, 42, 7)
"{0.__class__}".format(1)
"{0[0]}".format(["x"])
"{:>8}".format(none)
"{:>6}{:>6}".format(true, false)
"{:5}|{:5}".format(3, 2.5)
"a{}b".format_map({"": 1})
"{x}".format_map({"x": 1})
"%s"|format("x")
"%s %s"|format(1, 2)
"%(a)s"|format(a=1)
"%(a)s"|format(1, a=1)
""".strip().split("\n")

FILTERS = r"""
s|upper
s|lower
u|upper
u|lower
"straße ŉ ﬁ"|upper
"ΑΣ ΣΑΣ"|lower
"İI"|lower
s|title
"foo-bar (baz) [qux] {a} <b> it's x_y 3d"|title
"éa ßx"|title
s|capitalize
"ÉCOLE"|capitalize
"ßx ABC"|capitalize
none|upper
5|upper
ws|trim
ws|trim|length
"xxaxx"|trim("x")
"xyaxy"|trim("yx")
none|trim
5|trim
s|replace("l", "L")
s|replace("l", "L", 1)
s|replace("", "-")
s|replace("zz", "")
5|replace(5, 6)
none|replace("None", "x")
s|length
u|length
l|length
d|length
missing|length
5|length
none|length
l|count
s|list
u|list
d|list
d.items()|list
missing|list
5|list
l|first
l|last
s|first
u|last
d|first
d|last
empty_list|first
empty_list|first is defined
empty_list|last
missing|first
missing|last
none|first
l|map("string")|first
l|map("string")|last
l|join
l|join(", ")
names|join("-")
mixed|join("|")
u|join(".")
d|join(",")
users|join(", ", attribute="name")
users|join(", ", "age")
none|join
missing|join
5|join
l|sort
l|sort(reverse=true)
names|sort
names|sort(case_sensitive=true)
names|sort(reverse=true)
mixed|sort
users|sort(attribute="age")|map(attribute="name")|list
users|sort(attribute="age,name")|map(attribute="name")|list
users|sort(attribute="age", reverse=true)|map(attribute="name")|list
users|sort(attribute="zz")|length
d|sort
s|sort
missing|sort
d|dictsort
d|dictsort(true)
d|dictsort(false, "value")
d|dictsort(by="value", reverse=true)
d|dictsort(by="x")
l|dictsort
missing|dictsort
names|unique|list
names|unique(case_sensitive=true)|list
[1, 1.0, true, "a", "A"]|unique|list
users|unique(attribute="age")|map(attribute="name")|list
[[1], [1]]|unique|list
l|min
l|max
names|min
names|max
users|min(attribute="age")
users|max(attribute="name")|attr("get")
empty_list|max
empty_list|max is defined
mixed|max
s|max
l|sum
[1.5, 2]|sum
users|sum(attribute="age")
users|sum("age", 100)
names|sum
[[1], [2]]|sum(start=[])
empty_list|sum
["a"]|sum(start="")
l|reverse|list
s|reverse
u|reverse
l|reverse
l|reverse|first
d|reverse|list
(1, 2)|reverse|list
5|reverse
l|map("upper")|list
names|map("upper")|list
names|map("replace", "a", "X")|list
users|map(attribute="name")|list
users|map(attribute="zz")|list
users|map(attribute="zz", default="-")|list
users|map(attribute="ok", default=none)|list
users|map(attribute="name.0")|list
[[1, 2], [3, 4]]|map(attribute=1)|list
[[1, 2], [3, 4]]|map("first")|list
users|map()|list
users|map("nofilter")|list
users|map(attribute="name", foo=1)|list
l|map("string")|join
missing|map("upper")|list
none|map("upper")|list
5|map("upper")|list
l|map("upper") is string
l|select|list
[0, 1, none, "", "a", []]|select|list
[0, 1, none, "", "a", []]|reject|list
l|select("odd")|list
l|reject("odd")|list
l|select("divisibleby", 2)|list
l|select(">", 1)|list
l|select("in", [1, 2])|list
l|select("nope")|list
mixed|select("string")|list
mixed|select("number")|list
users|selectattr("ok")|map(attribute="name")|list
users|rejectattr("ok")|map(attribute="name")|list
users|selectattr("ok", "defined")|map(attribute="name")|list
users|selectattr("ok", "undefined")|map(attribute="name")|list
users|selectattr("age", "equalto", 30)|map(attribute="name")|list
users|selectattr("age", "==", 30)|map(attribute="name")|list
users|selectattr("age", "gt", 26)|map(attribute="name")|list
users|rejectattr("age", "gt", 26)|map(attribute="name")|list
users|selectattr("city", "in", ["bern"])|list|length
users|selectattr("zz.yy")|list
users|selectattr()|list
users|selectattr("name.0", "==", "B")|list|length
messages|selectattr("role", "equalto", "user")|list|length
messages|rejectattr("role", "in", ["user", "tool"])|map(attribute="role")|join(" ")
(messages|selectattr("role", "equalto", "user")|list)[-1].content
messages|selectattr("tool_calls", "defined")|first|attr("keys")
users|groupby("age")
users|groupby("city")|map("first")|list
users|groupby("city", case_sensitive=true)|map("first")|list
users|groupby("ok", default=false)|map("first")|list
(users|groupby("age"))[0].grouper
(users|groupby("age"))[0].list|length
(users|groupby("age")|first)[0]
users|groupby("zz")
range(7)|batch(3)|list
range(7)|batch(3, "x")|list
range(7)|batch(0)|list
range(7)|slice(3)|list
range(7)|slice(3, "x")|list
range(7)|slice(0)|list
range(7)|batch(3)
none|default("x")
missing|default("x")
missing|d("x")
missing|default
empty|default("x")
empty|default("x", true)
none|default("x", true)
0|default("x", boolean=true)
d.zz|default("q")
d.zz.y|default("q")
5|string
none|string
1.0|string
[1]|string
missing|string
d|string
"42"|int
"42.9"|int
" 42 "|int
"4_2"|int
"_42"|int
"x"|int
"x"|int(5)
"x"|int(default=none)
"0x1F"|int(base=16)
"1F"|int(0, 16)
"0b11"|int(0, 0)
"077"|int(0, 0)
"ff"|int(0, 10)
""|int
none|int
3.99|int
-3.99|int
true|int
[]|int
"1e3"|int
"inf"|int
"nan"|int
"٣"|int
missing|int
"3.5"|float
"x"|float
"x"|float(1)
" 1e3 "|float
"inf"|float
"-Infinity"|float
"nan"|float
"1_0.5"|float
none|float
5|float
true|float
-5|abs
-5.5|abs
true|abs
"x"|abs
2.5|round
3.5|round
2.567|round(2)
2.5|round|int
1234.5|round(-2)
15|round(-1)
25|round(-1)
5|round
5|round(2)
2.1|round(0, "ceil")
2.9|round(0, "floor")
2.123|round(2, "ceil")
-2.5|round(0, "floor")
2.5|round(method="x")
"x"|round
1.005|round(2)
0.5|round
1.5|round
42.55|round(1, "floor")
3|round(0, "ceil")
true|round
d|tojson
d|tojson(indent=2)
nested|tojson(indent=4)
nested|tojson(indent="--")
empty_list|tojson(indent=2)
{"a": [], "b": {}}|tojson(indent=1)
d|tojson(sort_keys=true)
d|tojson(separators=(",", ":"))
d|tojson(separators=("; ", " = "), indent=0)
u|tojson
u|tojson(ensure_ascii=true)
[u, "\x7f\u2028"]|tojson(true)
html|tojson
"\n\t\r\b\f\\\"/\x00\x1f"|tojson
mixed|tojson
[1e22, 1e-7, 0.1, 1.0, -0.0, 100]|tojson
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{(1, 2): 3}|tojson
(1, 2)|tojson
missing|tojson
[missing]|tojson
d.keys()|tojson
range(3)|tojson
namespace(a=1)|tojson
"inf"|float|tojson
"nan"|float|tojson
{"b": 1, 2: 3}|tojson(sort_keys=true)
none|tojson
d|tojson(indent=none)
d|tojson(zz=1)
messages[2]|tojson
messages[2]|tojson(indent=2, ensure_ascii=false)
lines|indent
lines|indent(2)
lines|indent(2, true)
lines|indent(2, first=true, blank=true)
lines|indent(width="> ")
""|indent
none|indent
"a\n"|indent
html|escape
html|e
html|safe
html|escape|escape
html|forceescape
(html|safe) + "<i>"
"<i>" + (html|safe)
"<i>" ~ (html|safe)
[html|safe]
(html|safe)|upper
(html|safe)|replace("b", "<")
(html|safe).replace("b", "<")
(html|safe)|string is escaped
html|safe is escaped
html is escaped
("<%s>"|safe) % "<x>"
("<%s %d>"|safe) % ("<x>", 5)
("<{}>"|safe).format("<x>")
("<"|safe).join(["<", ">"|safe])
(html|safe)[0:3] is escaped
(html|safe).split(" ")
(html|safe)|tojson
(html|safe) == html
(html|safe) * 2
d|escape
none|e
5|safe
"a b&c/d?é"|urlencode
d|urlencode
[("a b", "c&d")]|urlencode
5|urlencode
{"class": "a<b", "id": none, "n": 5}|xmlattr
{"a b": 1}|xmlattr
{"a": 1}|xmlattr(false)
"hello world foo"|wordcount
u|wordcount
"it's a_b 3.5"|wordcount
"x"|center(5)
"ab"|center(5)
"long text here"|center(3)
s|truncate(5)
"The quick brown fox jumps"|truncate(10)
"The quick brown fox jumps"|truncate(10, true)
"The quick brown fox jumps"|truncate(10, end="!")
"The quick brown fox jumps"|truncate(10, false, "...", 0)
"short"|truncate(3)
s|truncate(2)
1|filesizeformat
999|filesizeformat
1000|filesizeformat
1500000|filesizeformat
1024|filesizeformat(true)
123456789|filesizeformat(true)
d|items|list
missing|items|list
l|items|list
none|items
d|items|first
s|attr("upper")
d|attr("a")
d|attr("a") is defined
d|attr("items")
namespace(a=1)|attr("a")
"x"|nofilter
"x"|upper(1)
"x"|upper|lower|title
"x"|default(1, 2, 3)
l|join(d=", ")
l|join(zz=1)
"x" is filter
"upper" is filter
"random" is filter
"odd" is test
""".strip().split("\n")

TESTS = r"""
5 is odd
4 is even
"x" is odd
5.0 is odd
6 is divisibleby 3
6 is divisibleby(4)
6 is divisibleby 0
5 is number
5.5 is number
true is number
"5" is number
5 is integer
true is integer
5.0 is integer
5.0 is float
5 is float
"x" is string
("x"|safe) is string
5 is string
none is none
missing is none
none is not none
false is none
true is boolean
1 is boolean
true is true
1 is true
false is false
0 is false
d is mapping
l is mapping
missing is mapping
l is iterable
s is iterable
5 is iterable
none is iterable
missing is iterable
d is iterable
d.items() is iterable
l|map("string") is iterable
l is sequence
s is sequence
d is sequence
5 is sequence
none is sequence
missing is sequence
d.keys() is sequence
range(3) is sequence
(1, 2) is sequence
l|map("string") is sequence
"abc" is lower
"aBc" is lower
"ABC" is upper
"123" is upper
5 is upper
s is sameas s
none is sameas none
true is sameas true
1 is sameas true
l is sameas l
l is sameas [3, 1, 2]
1 is sameas 1
1 is in [1, 2]
"a" is in "abc"
1 is not in [2]
"x" is in 5
5 is eq 5
5 is equalto(5)
5 is ne 4
5 is gt 4
5 is greaterthan 4
5 is ge 5
5 is lt 6
5 is lessthan 4
5 is le 5
5 is sameas
5 is nope
missing is callable
range is callable
s is callable
s.upper is callable
dict is callable
namespace is callable
n is defined and n is number
n is not defined or n
n is number and n is odd
n is string or l is sequence and not t
not n is number
n is number is boolean
n is divisibleby 7 and true
n is eq(7)
n is not none and n
users[0].ok is defined
users[2].ok is defined
users[2]["ok"] is undefined
n is defined if t else 5
n if n is defined else 5
n is equalto n - 0
l is eq [3, 1, 2]
d is eq {"b": 1, "a": 2, "C": 3}
""".strip().split("\n")

METHODS = r"""
csv.split(",")
csv.split(",", 1)
csv.split(",", maxsplit=2)
csv.rsplit(",", 1)
csv.split("")
csv.split(",", -1)
csv.split("zz")
s.split()
" a  b\tc\n".split()
" a  b  c ".split(none, 1)
" a  b  c ".rsplit(none, 1)
"".split()
"".split(",")
u.split()
"a\u3000b\xa0c".split()
lines.splitlines()
lines.splitlines(true)
"a\x0bb\x0cc\x1cd\x85e\u2028f".splitlines()
"".splitlines()
"a\n".splitlines()
ws.strip()
ws.lstrip()
ws.rstrip()
"xxaxx".strip("x")
"xxaxx".lstrip("x")
"xxaxx".rstrip("x")
"<think>a</think>".strip("</think>")
"éaé".strip("é")
"a".strip(none)
"a".strip(1)
"\n\na\n".lstrip("\n")
"\u2003a\u200b".strip()
s.startswith("He")
s.startswith(("x", "He"))
s.startswith("World", 6)
s.startswith("l", 2, 3)
s.startswith(1)
s.startswith(["H"])
s.endswith("ld")
s.endswith("", 100)
s.endswith(("x", "d"))
s.endswith("Hello", 0, 5)
s.replace("l", "L")
s.replace("l", "L", 1)
s.replace("", "-")
s.replace("l")
s.replace("o", none)
s.upper()
s.lower()
s.title()
"they're bill's friends".title()
"ǆ ß ﬁ x1y".title()
s.capitalize()
s.swapcase()
"ß".casefold()
s.find("o")
s.find("o", 5)
s.find("zz")
s.find("")
s.rfind("o")
u.find("世")
u.rfind("🌍")
u.find("e", -3)
s.index("W")
s.index("zz")
s.rindex("l")
s.count("l")
s.count("l", 4)
s.count("")
"aaaa".count("aa")
", ".join(names)
"-".join("abc")
"-".join([1, 2])
"-".join(none)
"-".join(d)
"-".join(l|map("string"))
"".join([])
"123".isdigit()
"12a".isdigit()
"".isdigit()
"²".isdigit()
"²".isdecimal()
"½".isnumeric()
"٣".isdecimal()
"abc".isalpha()
"aé世".isalpha()
"a1".isalnum()
" \t".isspace()
"ABC".isupper()
"abc".islower()
"Abc Def".istitle()
"a b".istitle()
"a_b".isidentifier()
"1a".isidentifier()
"aé".isascii()
"a\n".isprintable()
"TestCase".removeprefix("Test")
"TestCase".removeprefix("x")
"TestCase".removesuffix("Case")
"42".zfill(5)
"-42".zfill(5)
"+x".zfill(4)
"abc".zfill(2)
"a-b-c".partition("-")
"abc".partition("-")
"a-b-c".rpartition("-")
"abc".rpartition("-")
"a".partition("")
"ab".ljust(5) ~ "|"
"ab".rjust(5, "*")
"ab".center(5, ".")
"ab".center(4, "é")
"ab".ljust(5, "xx")
"a\tb".expandtabs(4)
"a\tb\n\tc".expandtabs()
"x".nope
"x".nope()
"x".nope is defined
s.upper().lower().title()
s.upper
(5).bit_length()
(2.5).is_integer()
(2.0).is_integer()
5.real
"a".join(["b", "c"]).upper()
d.items()|sort
d.keys()|sort|first
d.values()|sum
d|length + 1
(d.items()|list)[0][1]
d.keys()|length
"a" in d.keys()
2 in d.values()
("b", 1) in d.items()
d.keys()|last
d.items()|map("first")|join
d == {"a": 2, "C": 3, "b": 1}
l.count(1) + l.index(2)
s.split("o")[0].strip().upper()
messages[0]["content"].split(" ")[-1]
messages[-1].content[0].text
messages[1:]|length
messages[::-1][0].role
messages|map(attribute="role")|list
messages[2].tool_calls[0].function.arguments|tojson
messages[2].content is none
messages[0].role == "system" and messages[0].content
""".strip().split("\n")

BLOCKS = [
    # loops
    "{% for x in l %}{{ x }}{% endfor %}",
    "{% for x in l %}{{ loop.index }}/{{ loop.length }}:{{ loop.index0 }},{{ loop.revindex }},{{ loop.revindex0 }},"
    "{{ loop.first }},{{ loop.last }} {% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in [1,1,2,2,1] %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in l %}{{ loop.depth }}{{ loop.depth0 }}{{ loop }}{% endfor %}",
    "{% for x in empty_list %}x{% else %}none{% endfor %}",
    "{% for x in l %}x{% else %}none{% endfor %}",
    "{% for x in l %}{% break %}{% else %}none{% endfor %}",
    "{% for x in l %}{% continue %}{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{% else %}none{% endfor %}",
    "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.length }}{{ loop.last }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d|items %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}",
    "{% for k, v in d %}{{ k }}{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}",
    "{% for a, b in [(1,)] %}{{ a }}{% endfor %}",
    "{% for a, b in [1] %}{{ a }}{% endfor %}",
    "{% for a, b in ['xy', 'zw'] %}{{ a }}-{{ b }}{% endfor %}",
    "{% for c in u %}[{{ c }}]{% endfor %}",
    "{% for c in none_value %}{{ c }}{% endfor %}",
    "{% for c in missing %}{{ c }}{% else %}nothing{% endfor %}",
    "{% for c in 5 %}{{ c }}{% endfor %}",
    "{% for i in range(3) %}{% for j in range(i) %}{{ i }}{{ j }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for i in range(3) %}{% set o = loop %}{% for j in range(2) %}{{ o.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in 1, 2, 3 %}{{ i }}{% endfor %}",
    "{% for x in tree recursive %}{{ x.n }}{{ loop.depth }}{% if x.c %}({{ loop(x.c) }}){% endif %}{% endfor %}",
    "{% for x in tree recursive %}{{ x.n }}{{ loop(x.c) }}{% else %}.{% endfor %}",
    "{% for x in tree %}{{ loop(x.c) }}{% endfor %}",
    "{% for x in l %}{% set y = x %}{% endfor %}{{ y }}",
    "{% set y = 0 %}{% for x in l %}{% set y = y + x %}{{ y }}{% endfor %}{{ y }}",
    "{% set y = 5 %}{% for x in l %}{{ y }}{% set y = x %}{% endfor %}{{ y }}",
    "{% set ns = namespace(y=0) %}{% for x in l %}{% set ns.y = ns.y + x %}{% endfor %}{{ ns.y }}",
    "{% for loop in l %}{{ loop }}{% endfor %}",
    "{% for x in l %}{% set loop = 1 %}{% endfor %}",
    "{% for x in l %}{{ x }}{% endfor %}{{ x }}",
    "{% set x = 9 %}{% for x in l %}{{ x }}{% endfor %}{{ x }}",
    "{{ loop }}",
    "{% for x in l|map('string') %}{{ x }}{{ loop.last }}{{ loop.length }}{% endfor %}",
    "{% for x in l|reverse %}{{ x }}{% endfor %}",
    "{% for x in l|sort %}{{ x }}{% endfor %}",
    "{% for x in d.keys() %}{{ x }}{{ loop.length }}{% endfor %}",
    "{% for m in messages %}{{ loop.index0 }}{{ m.role }}{% if not loop.last %},{% endif %}{% endfor %}",
    "{% for m in messages if m.role == 'user' %}{{ loop.index }}{% endfor %}",
    "{% for m in messages[1:] %}{{ m['role'] }} {% endfor %}",
    "{% set g = l|map('string') %}{{ g|join }}|{{ g|join }}",
    "{% set ns = namespace(stop=false) %}{% for x in l if not ns.stop %}{{ x }}{% set ns.stop = true %}{% endfor %}",
    # the quirk of names that a scope sets before it reads them
    "{% for x in [1] %}{{ n }}{% endfor %}{% set n = 5 %}{{ n }}",
    "{{ n }}{% set n = 5 %}{{ n }}",
    "{% for x in [1] %}{{ n }}{% set n = 8 %}{{ n }}{% endfor %}{{ n }}",
    "{% if no %}{% set n = 5 %}{% endif %}{{ n }}",
    "{% if no %}{% set q = 5 %}{% endif %}{{ q }}",
    "{% if t %}{% set n = 5 %}{% else %}{{ n }}{% endif %}{{ n }}",
    "{% if no %}{% set n = 5 %}{% elif t %}{% set n = 6 %}{% endif %}{{ n }}",
    "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% set n = 1 %}{{ m() }}",
    "{% macro m() %}{{ n }}{% set n = 3 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}",
    "{% if no %}{% set n = 1 %}{% endif %}{% for x in [1] %}{{ n }}{% endfor %}",
    # set
    "{% set x = 1 %}{{ x }}",
    "{% set x, y = 1, 2 %}{{ x }}{{ y }}",
    "{% set x = 1, 2 %}{{ x }}",
    "{% set (x, y) = [3, 4] %}{{ x }}{{ y }}",
    "{% set x, y = 1 %}",
    "{% set x %}a{{ n }}b{% endset %}[{{ x }}]",
    "{% set x | upper %}abc{% endset %}{{ x }}",
    "{% set x | replace('a', 'b') | upper %}abc{% endset %}{{ x }}",
    "{% set x %}{% set y = 1 %}{% endset %}{{ y is defined }}",
    "{% set ns = namespace(a=1) %}{% set ns.a = 2 %}{% set ns.b = 3 %}{{ ns.a }}{{ ns.b }}{{ ns }}",
    "{% set ns = namespace() %}{% set ns._a = 2 %}",
    "{% set d.a = 2 %}",
    "{% set missing.a = 2 %}",
    "{% set ns = namespace(a=1, b=2) %}{% set ns.a, ns.b = ns.b, ns.a %}{{ ns.a }}{{ ns.b }}",
    "{% set ns = namespace() %}{% set ns.x %}abc{% endset %}{{ ns.x }}",
    "{% set true = 1 %}",
    "{% set 1 = 2 %}",
    "{% set x[0] = 2 %}",
    "{% set ns = namespace(items=[]) %}{% for x in l %}{% set ns.items = ns.items + [x] %}{% endfor %}{{ ns.items }}",
    "{% set x = '<b>'|safe %}{{ x }}",
    # if
    "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}",
    "{% if no %}a{% elif t %}b{% else %}c{% endif %}",
    "{% if no %}a{% elif no %}b{% else %}c{% endif %}",
    "{% if missing %}a{% endif %}b",
    "{% if missing.x %}a{% endif %}b",
    "{% if l %}a{% endif %}{% if empty_list %}b{% endif %}{% if empty_dict %}c{% endif %}{% if zero %}d{% endif %}",
    "{% if no %}{{ 1|nofilter }}{% endif %}ok",
    "{% if no %}{{ 1 is notest }}{% endif %}ok",
    "{% if t %}{{ 1|nofilter }}{% endif %}ok",
    "{{ 1|nofilter if no else 2 }}",
    "{% if no %}{% for x in l %}{{ x|nofilter }}{% endfor %}{% endif %}ok",
    "{{ 1|nofilter }}",
    "{% if no %}a{% else if %}b{% endif %}",
    # macros
    "{% macro f(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=4, a=5) }}{{ f() }}",
    "{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, z=2) }}",
    "{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, z=4) }}",
    "{% macro f() %}{{ varargs|join(',') }}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f() %}{{ kwargs|dictsort }}{% endmacro %}{{ f(b=1, a=2) }}",
    "{% macro f(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ f() }}{{ f(none) }}",
    "{% macro f(a) %}{{ a.x }}{% endmacro %}{{ f() }}",
    "{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro f() %}x{% endmacro %}{{ f }}{{ f.name }}{{ f.arguments }}",
    "{% macro f(a, b=1) %}{% endmacro %}{{ f.arguments }}{{ f.catch_kwargs }}{{ f.catch_varargs }}{{ f.caller }}",
    "{% macro f() %}\n  x\n{% endmacro %}[{{ f() }}]",
    "{% macro f() -%}\n  x\n{%- endmacro %}[{{ f() }}]",
    "{% macro f() %}{{ n }}{% endmacro %}{% set n = 99 %}{{ f() }}",
    "{% for x in l %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}",
    "{% macro f() %}{{ loop }}{% endmacro %}{% for x in l %}{{ f() }}{% endfor %}",
    "{% macro f(a, a) %}{% endmacro %}",
    "{% macro f(a=1, b) %}{% endmacro %}",
    "{% macro f(d) %}{{ caller(d) }}{% endmacro %}{% call(x) f(5) %}<{{ x }}>{% endcall %}",
    "{% macro f() %}[{{ caller() }}]{% endmacro %}{% call f() %}in{% endcall %}",
    "{% macro f() %}[{{ caller() }}]{% endmacro %}{{ f() }}",
    "{% macro f() %}[{{ caller is defined }}]{% endmacro %}{{ f() }}",
    "{% macro f() %}x{% endmacro %}{% call f() %}in{% endcall %}",
    "{% macro f() %}{{ kwargs }}{% endmacro %}{{ f(a=1) }}",
    "{% macro f(caller) %}{{ caller }}{% endmacro %}",
    "{% macro f(caller=none) %}{% if caller %}{{ caller() }}{% else %}no{% endif %}{% endmacro %}{{ f() }}{% call f() %}in{% endcall %}",
    "{% call missing() %}x{% endcall %}",
    "{% call n %}x{% endcall %}",
    "{% macro f(x) %}{{ caller(x, y=x + 1) }}{% endmacro %}{% call(a, y) f(1) %}{{ a }}{{ y }}{% endcall %}",
    "{% macro f(*a) %}{% endmacro %}",
    "{% macro f() %}{% endmacro %}{{ f(*[1]) }}",
    "{% macro f(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ f(*[1, 2]) }}{{ f(**{'a': 3, 'b': 4}) }}{{ f(1, **{'b': 4}) }}",
    "{{ f(1) }}{% macro f(x) %}{{ x }}{% endmacro %}",
    "{% set g = namespace() %}{% macro f(x) %}{% set g.y = x %}{% endmacro %}{{ f(7) }}{{ g.y }}",
    "{% macro f(x) %}{{ x }}{% endmacro %}{{ [1, 2]|map('string')|map('upper')|list }}{{ f(f(1)) }}",
    "{% macro f() %}a{% endmacro %}{{ f() + 'b' }}{{ f()|upper }}{{ f().upper() }}{{ f()|length }}",
    # filter blocks, with, blocks, generation, autoescape, raw, comments
    "{% filter upper %}a{{ s }}b{% endfilter %}",
    "{% filter replace('a', 'b')|upper %}aaa{% endfilter %}",
    "{% filter indent(2, true) %}a\nb{% endfilter %}",
    "{% filter nofilter %}x{% endfilter %}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}",
    "{% with a = n, b = a %}{{ a }}{{ b }}{% endwith %}",
    "{% block x %}in{% endblock %}",
    "{% block x %}{{ n }}{% endblock x %}",
    "{% set n = 1 %}{% block x %}{{ n }}{% endblock %}",
    "{% for q in l %}{% block x %}{{ q }}{% endblock %}{% endfor %}",
    "{% for q in l %}{% block x scoped %}{{ q }}{% endblock %}{% endfor %}",
    "{% block x %}{% endblock %}{% block x %}{% endblock %}",
    "{% generation %}abc{{ n }}{% endgeneration %}",
    "{% generation %}{% set q = 1 %}{% endgeneration %}{{ q }}",
    "{% for x in l %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% for x in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{%- generation -%}\n  a\n{%- endgeneration -%}",
    "{% autoescape false %}{{ html }}{% endautoescape %}",
    "{% raw %}{{ x }}{% if %}{% endraw %}",
    "{% raw %}\n a {{ x }}\n{% endraw %}\n b",
    "{%- raw -%}\n a {{ x }}\n{%- endraw -%}\n b",
    "a {% raw -%} b {%- endraw %} c",
    "{% raw %}x",
    "a{# comment #}b",
    "a {#- comment -#} b",
    "a\n  {# comment #}\nb",
    "{# unclosed",
    "{#- a -#}{#- b -#}",
    "{% print 1 %}{% print 1, 2 %}",
    "{% do 1 %}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% from 'x' import y %}",
    "{% extends 'x' %}",
    "{% if no %}{% include 'x' %}{% endif %}ok",
    "{% trans %}x{% endtrans %}",
    "{% unknown %}",
    "{% endfor %}",
    "{% for x in l %}",
    "{% if t %}a",
    "{% if t %}a{% endfor %}",
    "{% break %}",
    "{% continue %}",
    "{% if t %}{% break %}{% endif %}",
    "{% for x in l %}{% filter upper %}{{ x }}{% break %}{% endfilter %}{% endfor %}z",
    "{% for x in l %}{% set y %}{{ x }}{% continue %}{% endset %}{% endfor %}z",
    "{% for x in l %}{% with %}{% break %}{% endwith %}{% endfor %}z",
    # joiner and cycler
    "{% set j = joiner() %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
    "{% set j = joiner('|') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
    "{% set c = cycler('a', 'b') %}{% for x in l %}{{ c.next() }}{{ c.current }}{% endfor %}{{ c.reset() }}{{ c.next() }}",
    # white space
    "a\n{% if t %}\nb\n{% endif %}\nc",
    "a\n  {% if t %}\n  b\n  {% endif %}\nc",
    "a\n  {%- if t %}\n  b\n  {%- endif %}\nc",
    "a\n  {% if t -%}\n  b\n  {% endif -%}\nc",
    "a\n  {%+ if t %}\n  b\n  {%+ endif %}\nc",
    "a\n  {% if t +%}\n  b\n  {% endif +%}\nc",
    "a {{- n -}} b",
    "a  {{ n }}\n  b",
    "  {{ n }}  ",
    "\n\n{{ n }}\n\n",
    "{{ n }}\n",
    "{{ n }}\n\n",
    "{{ n }}\r\n",
    "a\r\nb\rc\n",
    "  {% set x = 1 %}  \nb",
    "a {% set x = 1 %} b",
    "a\t{% set x = 1 %}\nb",
    "{% set x = 1 %}   {% set y = 2 %}\nb",
    "x\n   {{ n }}\n   {% set x = 1 %}\ny",
    "\u00a0{%- if t -%}\u3000b{%- endif %}",
    "{%- for x in l -%}\n  {{ x }}\n{%- endfor -%}\n",
    "{% for x in l %}\n{{ x }}\n{% endfor %}\n",
    "  {% for x in l %}\n    {{ x }}\n  {% endfor %}\n",
    "{%- if t %} a {% endif -%} b",
    "{{ '\n' }}a{{- '\n' }}",
    "{{-n-}}",
    "{%-if t-%}a{%-endif-%}",
    "{%if t%}a{%endif%}",
    "{{n}}{{ n}}{{n }}",
    "{{\nn\n}}",
    "{%\nif t\n%}a{% endif %}",
    "{% if t: %}a{% endif %}",
    # syntax errors and oddities
    "{{ 'a\\\nb' }}",
    "{{", "{{ }}", "{%", "{% %}", "{{ n", "{{ n }", "{{ n %}", "{% if t }}", "}}", "%}", "#}", "{ {n} }", "{{ {} }}",
    "{{ {'a': {'b': 1}}.a.b }}", "{{ {'a':1}}}", "{{ [1, 2 }}", "{{ (1 }}", "{{ 1) }}", "{{ 1 2 }}", "{{ 'a }}",
    "{{ \"a' }}", "{{ a b }}", "{{ 1 + }}", "{{ * 1 }}", "{{ not }}", "{{ n | }}", "{{ n is }}", "{{ n. }}", "{{ n.1.x }}",
    "{{ n[ }}", "{{ f(a=1, 2) }}", "{{ f(**{}, a=1) }}", "{{ a ? b }}", "{{ a && b }}", "{{ !a }}", "{{ a = 1 }}",
    "{{ 'a' 5 }}", "{{ 5.5.5 }}", "{{ .5 }}", "{{ 5. }}", "{{ 1__0 }}", "{{ 007 }}", "{{ 0_0 }}", "{{ 1e }}",
    "{{ é }}", "{% set é = 1 %}{{ é }}", "{{ $ }}", "{{ a; b }}", "{{ [1,,2] }}", "{{ (1,) }}", "{{ (,) }}", "{{ {,} }}",
    "{{ [1,] }}{{ {'a': 1,} }}{{ dict(a=1,) }}", "{{ if }}", "{{ for }}", "{{ in }}", "{{ n if }}", "{{ n if t else }}",
    "{{ '\\x4' }}", "{{ '\\u12' }}", "{{ '\\N{NOPE}' }}", "{{ '\\ud83d' }}", "{{ 'a\nb' }}", "{{ 'a\r\nb' }}",
    "{{ n is number is number }}", "{{ n is not not number }}", "{{ n is divisibleby 2 3 }}", "{{ 1 if t else 2 if no }}",
    "{{ n|upper|}}", "{{ |upper }}", "{{ n|'upper' }}", "{{ n|upper() }}", "{{ l[0, 1] }}", "{{ d[1, 2] }}", "{{ l[] }}",
    "{{ l[::] }}", "{{ l[:] }}", "{{ l[:,:] }}", "{{ s.upper.lower }}", "{{ s.upper().x }}", "{{ 'a'.b.c }}",
    "{{ true.x }}", "{{ none.x }}", "{{ 1.x }}", "{{ range(3).x }}", "{{ -n }}{{ +n }}{{ --n }}{{ -l }}", "{{ -'a' }}",
    "{{ not n == 7 }}", "{{ n == 7 and not no or t }}", "{{ (n == 7) == t }}", "{{ n in [7] == t }}",
    "{{ 1 < 2 == true }}", "{{ n not in l }}", "{{ not n in l }}", "{{ n is not in l }}", "{{ 'a' ~ 'b' + 'c' }}",
    "{{ 1 ~ 2 * 3 }}", "{{ 1 + 2 ~ 3 }}", "{{ 2 * 3 ~ 4 }}", "{{ -1|abs }}", "{{ (-1)|abs }}", "{{ 1 - 1|abs }}",
    "{{ 2|float + 1 }}", "{{ 'a'|upper ~ 'b' }}", "{{ n + 1 if t }}", "{{ 'x' * 3 ~ 'y' }}", "{{ l|length > 2 }}",
    "{{ l|length - 1 }}", "{{ messages|length == 5 }}", "{{ 'a' in s|lower }}", "{{ ('a' in s)|lower }}",
    "{{ undefined_a is defined and undefined_a.x }}", "{{ undefined_a.x is defined }}", "{{ d.q.x is defined }}",
    "{{ missing == missing2 }}", "{{ missing != none }}", "{{ missing + 1 }}", "{{ missing ~ 1 }}", "{{ -missing }}",
    "{{ missing < 1 }}", "{{ missing() }}", "{{ [missing] }}", "{{ {'a': missing} }}", "{{ not missing }}", "{{ missing * 2 }}",
    "{{ missing or 'x' }}", "{{ missing and 'x' }}", "{{ 'a' ~ missing ~ 'b' }}", "{{ missing|upper }}", "{{ missing|abs }}",
    "{{ missing in [1] }}", "{{ {missing: 1} }}", "{{ d[missing] }}", "{{ l[missing] }}", "{{ range(missing) }}",
    # what real templates do
    "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}{% if m.content is string %}{{ m.content }}"
    "{% elif m.content %}{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% else %}<{{ p['type'] }}>{% endif %}"
    "{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "{%- if messages[0]['role'] == 'system' -%}{%- set sys = messages[0]['content'] -%}{%- set loop_messages = messages[1:] -%}"
    "{%- else -%}{%- set loop_messages = messages -%}{%- endif -%}{{ sys }}{{ loop_messages|length }}",
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}",
    "{%- set ns = namespace(last=-1) -%}{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}{{ ns.last }}",
    "{% for c in messages[2].tool_calls %}{{ c.function.name }}({% for k, v in c.function.arguments.items() %}{{ k }}={{ v|tojson }}{% if not loop.last %}, {% endif %}{% endfor %}){% endfor %}",
    "{{ messages[2]['tool_calls'][0]['function']|tojson(indent=4) }}",
    "{% for m in messages|selectattr('role', 'in', ['user', 'tool']) %}{{ m.role }}{{ loop.index }} {% endfor %}",
    "{{ 'a</think>b</think>c'.split('</think>')[-1].lstrip('\\n') }}{{ 'x'.split('</think>')|length }}",
    "{% set content = messages[1].content %}{% if content is string and '</think>' not in content %}{{ content|trim }}{% endif %}",
    "{%- macro type(p) -%}{%- if p.type is string -%}{{ p.type }}{%- elif p.type is iterable -%}{{ p.type|join('|') }}{%- endif -%}{%- endmacro -%}{{ type({'type': 'x'}) }}{{ type({'type': ['a', 'b']}) }}{{ type({}) }}",
    "{%- for k, v in {'a': {'type': 'string', 'enum': ['x', 'y']}, 'b': {}}.items() %}{{ k }}: {% if v.enum %}{{ v.enum|map('tojson')|join(' | ') }}{% else %}any{% endif %}{{ ', ' if not loop.last else '' }}{%- endfor %}",
    "{{ strftime_now('%d %b %Y') if strftime_now is defined else 'x' }}",
    "{% if tools is not defined %}{% set tools = none %}{% endif %}{{ tools is none }}",
    "{% set tools = tools or [] %}{{ tools }}",
    "{{ messages[-1]['content'] | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('') }}",
    "{{ (messages|map(attribute='role')|list)[-2:] }}",
    "{% for i in range(messages|length - 1, -1, -1) %}{{ messages[i].role[0] }}{% endfor %}",
    "{{ messages[0].content.split('.')[0] ~ ('!' if messages|length > 3 else '?') }}",
    "{{ {'role': 'user'} in messages }}{{ 'role' in messages[0] }}{{ messages[0].keys()|join(',') }}",
    "{{ messages[0] | string | length }}{{ messages[2] }}",
    "{% set x = {'a': 1} %}{% set x = dict(x, b=2) %}{{ x|tojson }}",
    "{{ '%02d:%02d' % (5, 7) }}{{ '%s' % ('a',) }}{{ '{:>3}'.format(5) }}",
    "{{ \"{'a': 1}\" }}{{ {'a': \"it's\"} }}{{ ['\\n'] }}",
]


def all_cases():
    """Pairs of a context's name and a template."""
    for group in (EXPRESSIONS, FILTERS, TESTS, METHODS):
        for expression in group:
            yield "main", "{{ " + expression + " }}"
    for block in BLOCKS:
        yield "main", block
