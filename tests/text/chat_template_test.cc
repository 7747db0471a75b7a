// Chat templates against Jinja2. The expected texts were rendered by Jinja2 itself, set up as
// Transformers does (tools/template_golden.py; the published templates' renders come with the
// templates), so equality of bytes is the whole test; where Jinja2 raised, this must refuse.
#include "models/text/chat_template.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "models/text/apply_template.h"

namespace quire::text {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

Json read_json(const fs::path& path) {
  JsonLimits limits;
  limits.nodes = 4'000'000;
  auto parsed = parse_json(read_text(path), limits);
  EXPECT_TRUE(parsed) << path << ": " << (parsed ? "" : parsed.error().message);
  return parsed ? *std::move(parsed) : Json();
}

// The text, or "error: ..." when the template was refused.
std::string outcome(std::string_view source, const Json& context, std::int64_t now) {
  const auto compiled = ChatTemplate::compile(source);
  if (!compiled) return "error: " + compiled.error().message;
  const auto text = compiled->render(context, now);
  return text ? *text : "error: " + text.error().message;
}

// How many cases differ; the first ones are printed.
int count_differences(const Json& document) {
  const auto now = parse_time(document["now"].get<std::string>());
  EXPECT_TRUE(now);
  int differences = 0;
  for (const Json& entry : document["cases"]) {
    const auto source = entry["template"].get<std::string>();
    const Json& context = document["contexts"][entry["context"].get<std::string>()];
    const std::string got = outcome(source, context, *now);
    const bool wants_error = entry.contains("error");
    if (wants_error ? got.starts_with("error: ") : got == entry["text"].get<std::string>())
      continue;
    if (++differences <= 20) {
      ADD_FAILURE() << source << "\nexpected: " << (wants_error ? entry["error"] : entry["text"])
                    << "\ngot:      " << got;
    }
  }
  return differences;
}

TEST(ChatTemplate, RendersEachConstructAsJinja2) {
  const Json document = read_json(fs::path(QUIRE_SOURCE_DIR) / "tests/golden/templates/cases.json");
  ASSERT_GT(document["cases"].size(), 1000u);
  EXPECT_EQ(count_differences(document), 0);
}

// tools/template_diff.py writes such a file of random templates and names it here.
TEST(ChatTemplate, RendersRandomTemplatesAsJinja2) {
  const char* path = std::getenv("QUIRE_TEMPLATE_CASES");
  if (path == nullptr) GTEST_SKIP() << "QUIRE_TEMPLATE_CASES names no file of cases";
  EXPECT_EQ(count_differences(read_json(path)), 0);
}

TEST(ChatTemplate, RendersPublishedTemplatesAsJinja2) {
  const char* configured = std::getenv("QUIRE_TEST_DATA");
  const fs::path data =
      configured != nullptr ? fs::path(configured) : fs::path(QUIRE_SOURCE_DIR) / "../shared/data";
  const fs::path folder = data / "chat-templates";
  if (!fs::exists(folder / "expected.json")) GTEST_SKIP() << folder << " is absent";
  const Json document = read_json(folder / "expected.json");
  const auto now = parse_time("2026-11-21");
  int renders = 0;
  for (const auto& entry : document["expected"].items()) {
    const std::string source = read_text(folder / "templates" / (entry.key() + ".jinja"));
    for (const auto& expected : entry.value().items()) {
      const std::string got = outcome(source, document["contexts"][expected.key()], *now);
      const Json* text = find_member(expected.value(), "text");
      if (text == nullptr) {
        EXPECT_TRUE(got.starts_with("error: ")) << entry.key() << " " << expected.key();
      } else {
        EXPECT_EQ(got, text->get<std::string>()) << entry.key() << " " << expected.key();
      }
      ++renders;
    }
  }
  EXPECT_EQ(renders, 858);
}

TEST(ChatTemplate, RendersTheDemoModelsPromptsAsTransformers) {
  const fs::path demo = fs::path(QUIRE_SOURCE_DIR) / "demo";
  const Json document = read_json(demo / "expected.json");
  const std::string source = read_text(demo / "chat_template.jinja");
  int prompts = 0;
  for (const Json& entry : document["cases"]) {
    if (!entry.contains("messages")) continue;
    Json context = entry["kwargs"];
    context["messages"] = entry["messages"];
    context["tools"] = entry["tools"];
    context["add_generation_prompt"] = true;
    EXPECT_EQ(outcome(source, context, 0), entry["prompt"].get<std::string>()) << entry["name"];
    ++prompts;
  }
  EXPECT_GT(prompts, 10);
}

// Positions by hand: lines and columns count from 1, columns in code points.
TEST(ChatTemplate, NamesLineAndColumn) {
  EXPECT_EQ(outcome("a\né {{ x.y }}", Json::object(), 0),
            "error: chat template, line 2, column 7: 'x' is undefined");
  const auto broken = ChatTemplate::compile("line\n  {% if x %}\n{% endfor %}");
  ASSERT_FALSE(broken);
  EXPECT_TRUE(broken.error().message.starts_with("chat template, line 3, column 1: "))
      << broken.error().message;
  const auto refused = outcome("{{ raise_exception('No system role') }}", Json::object(), 0);
  EXPECT_TRUE(refused.ends_with(": No system role")) << refused;
}

// Each abuses one resource without bound; the limit named in the message must stop it.
TEST(ChatTemplate, BoundsWhatATemplateMayUse) {
  const std::pair<std::string, const char*> cases[] = {
      {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps"},
      {"{{ 'a' * 2000000 }}", "limit"},
      {"{{ 'a'.center(2000000) }}", "limit"},
      {"{{ '%2000000d' % 1 }}", "limit"},
      {"{{ '{:2000000}'.format(1) }}", "limit"},
      {"{% set ns = namespace(s='ab') %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}"
       "{% endfor %}",
       "limit"},
      {"{% set ns = namespace(l=[1]) %}{% for i in range(40) %}{% set ns.l = ns.l + ns.l %}"
       "{% endfor %}",
       "steps"},
      {"{% set ns = namespace(l=[]) %}{% for i in range(999) %}{% set ns.l = [ns.l] %}{% endfor %}",
       "nest"},
      {"{% set ns = namespace(l=[]) %}{% for i in range(999) %}{% set ns.l = ns.l|map('upper') %}"
       "{% endfor %}",
       "steps|nest"},
      {"{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}"
       "{% endfor %}{{ ns.l }}",
       "steps"},
      {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deeper"},
      {"{% for x in [[]] recursive %}{{ loop([x]) }}{% endfor %}", "deeper"},
      {"{{ range(100001) }}", "limit"},
      {"{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}", "limit"},
      {"{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}", "deeper"},
      {"{{ 'a'.replace('', 'b' * 1000000).replace('', 'b' * 1000000) }}", "limit"},
      {"{{ [1, 2]|tojson(indent=9999999) }}", "limit"},
      {"{{ 2 ** 1000 }}", "127 bits"},
  };
  for (const auto& [source, word] : cases) {
    const std::string got = outcome(source, Json::object(), 0);
    ASSERT_TRUE(got.starts_with("error: ")) << source;
    const std::string words = word;
    const auto bar = words.find('|');
    const bool named =
        got.find(words.substr(0, bar)) != std::string::npos ||
        (bar != std::string::npos && got.find(words.substr(bar + 1)) != std::string::npos);
    EXPECT_TRUE(named) << source << "\n" << got;
  }
}

// A parser that recursed freely would overflow the stack on each of these.
TEST(ChatTemplate, RefusesDeepNestingInsteadOfCrashing) {
  const std::size_t million = 1'000'000;
  const auto repeated = [&](std::string_view part) {
    std::string out;
    for (std::size_t i = 0; i < million / part.size(); ++i) out += part;
    return out;
  };
  for (const char* part : {"(", "[", "{1:", "not ", "-", "a[", "f(", "1 if 1 else "}) {
    EXPECT_FALSE(ChatTemplate::compile("{{ " + repeated(part))) << part;
    EXPECT_FALSE(ChatTemplate::compile("{{ " + repeated(part) + "1 }}")) << part;
  }
  EXPECT_FALSE(ChatTemplate::compile(repeated("{% if x %}")));
  EXPECT_FALSE(ChatTemplate::compile(repeated("{% for x in y %}")));
  EXPECT_FALSE(ChatTemplate::compile(repeated("{% macro f() %}")));
}

// Chains are no nesting: published templates concatenate dozens of parts.
TEST(ChatTemplate, TakesLongChains) {
  std::string sum = "'x'", calls = "'x'", filters = "'x'", branches = "{% if no %}";
  std::string letters = "x";
  for (int i = 0; i < 500; ++i) {
    sum += " + 'y'";
    letters += 'y';
    calls += ".strip()";
    filters += "|trim";
    branches += "{% elif no %}";
  }
  EXPECT_EQ(outcome("{{ " + sum + " }}", Json::object(), 0), letters);
  EXPECT_EQ(outcome("{{ " + calls + " }}", Json::object(), 0), "x");
  EXPECT_EQ(outcome("{{ " + filters + " }}", Json::object(), 0), "x");
  EXPECT_EQ(outcome(branches + "{% else %}z{% endif %}", Json::object(), 0), "z");
}

// The ways out that have worked against other engines; nothing of the host may be reachable.
TEST(ChatTemplate, LeavesNoWayToTheHost) {
  for (const char* expression :
       {"''.__class__.__mro__", "x.__init__.__globals__", "namespace.__init__.__globals__",
        "cycler.__init__.__globals__.os", "joiner.__init__", "range.__self__.x",
        "self.__init__.__globals__", "(1).__class__.__base__.__subclasses__()",
        "''['__class__'].mro()", "''|attr('__class__')|attr('__mro__')",
        "'{0.__class__.__mro__}'.format(1)", "'%s'.__mod__.__self__.x", "dict.__class__.mro()",
        "messages.append(1)", "raise_exception.__globals__.x"}) {
    const std::string got = outcome(std::string("{{ ") + expression + " }}",
                                    {{"messages", Json::array()}, {"x", 1}}, 0);
    EXPECT_TRUE(got.empty() || got.starts_with("error: ")) << expression << ": " << got;
  }
  EXPECT_TRUE(outcome("{% include '/etc/passwd' %}", Json::object(), 0).starts_with("error: "));
  EXPECT_TRUE(outcome("{% import '/etc/passwd' as x %}", Json::object(), 0).starts_with("error: "));
}

// vLLM's rule, applied by hand.
TEST(ChatTemplate, FindsOutWhetherContentIsAList) {
  const auto wants_parts = [](const char* source) {
    const auto compiled = ChatTemplate::compile(source);
    return compiled && compiled->wants_content_parts();
  };
  EXPECT_TRUE(
      wants_parts("{% for m in messages %}{% for c in m.content %}{% endfor %}{% endfor %}"));
  EXPECT_TRUE(wants_parts(
      "{% set rest = messages[1:] %}{% for m in rest %}{% for c in m['content'] if c %}{% endfor %}"
      "{% endfor %}"));
  EXPECT_TRUE(
      wants_parts("{% for m in messages|list %}{% for c in m.content|selectattr('type') %}"
                  "{% endfor %}{% endfor %}"));
  EXPECT_TRUE(
      wants_parts("{% macro f(content) %}{% for c in content %}{% endfor %}{% endmacro %}"));
  EXPECT_FALSE(wants_parts("{% for m in messages %}{{ m.content }}{% endfor %}"));
  EXPECT_FALSE(
      wants_parts("{% for m in messages %}{% for c in m.tool_calls %}{% endfor %}{% endfor %}"));
  EXPECT_FALSE(wants_parts("{% for m in other %}{% for c in m.content %}{% endfor %}{% endfor %}"));
}

TEST(ChatTemplate, IsImmutableBetweenRenders) {
  const auto compiled = ChatTemplate::compile(
      "{% set ns = namespace(n=0) %}{% for x in l %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n "
      "}}");
  ASSERT_TRUE(compiled);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*compiled->render({{"l", {1, 2, 3}}}, 0), "6");
}

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("quire_templates_{}", ::getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  void write(const std::string& name, std::string_view text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

std::string rendered(const ChatTemplates& templates, const char* name) {
  const auto found = templates.by_name.find(name);
  return found == templates.by_name.end() ? "absent" : *found->second.render(Json::object(), 0);
}

// Transformers' precedence: files of their own, chat_template.json, tokenizer_config.json.
TEST(LoadChatTemplates, ReadsEachPlaceInOrder) {
  const Folder folder;
  EXPECT_TRUE(load_chat_templates(folder.path())->by_name.empty());
  folder.write("tokenizer_config.json",
               R"({"chat_template": [{"name": "default", "template": "config"},
                                     {"name": "tool_use", "template": "config tools"}],
                   "bos_token": "<s>", "eos_token": {"content": "</s>", "special": true},
                   "pad_token": null, "image_token": "<img>"})");
  folder.write("special_tokens_map.json",
               R"({"unk_token": {"content": "<unk>"}, "bos_token": "<b>"})");
  auto templates = load_chat_templates(folder.path());
  ASSERT_TRUE(templates) << templates.error().message;
  EXPECT_EQ(rendered(*templates, "default"), "config");
  EXPECT_EQ(templates->choose(true), &templates->by_name.at("tool_use"));
  EXPECT_EQ(templates->choose(false), &templates->by_name.at("default"));
  EXPECT_EQ(dump_json(templates->special_tokens),
            R"({"bos_token":"<b>","eos_token":"</s>","image_token":"<img>","unk_token":"<unk>"})");

  folder.write("chat_template.json", R"({"chat_template": "json"})");
  EXPECT_EQ(rendered(*load_chat_templates(folder.path()), "default"), "json");

  folder.write("chat_template.jinja", "file\n");
  folder.write("additional_chat_templates/rag.jinja", "rag");
  templates = load_chat_templates(folder.path());
  EXPECT_EQ(rendered(*templates, "default"), "file");
  EXPECT_EQ(rendered(*templates, "rag"), "rag");
  EXPECT_EQ(rendered(*templates, "tool_use"), "absent");

  folder.write("chat_template.jinja", "{% if %}");
  const auto broken = load_chat_templates(folder.path());
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("chat_template.jinja: chat template, line 1"),
            std::string::npos)
      << broken.error().message;
}

// By hand from the calendar: 2026-11-21 is day 20,778 since 1970.
TEST(ApplyTemplate, TakesSourceContextAndTime) {
  EXPECT_EQ(*parse_time("2026-11-21"), 20778LL * 86400);
  EXPECT_EQ(*parse_time("2026-11-21T12:34:56Z"), 20778LL * 86400 + 45296);
  EXPECT_EQ(*parse_time("2024-02-29 00:00:01"), 19782LL * 86400 + 1);
  for (const char* wrong : {"", "2026-13-01", "2025-02-29", "2026-11-21T25:00:00", "2026/11/21",
                            "2026-11-21T12:00", "2026-11-2x"}) {
    EXPECT_FALSE(parse_time(wrong)) << wrong;
  }
  EXPECT_EQ(*apply_template("{{ a }}|{{ strftime_now('%Y-%m-%d %H:%M') }}", R"({"a": NaN})",
                            *parse_time("2026-11-21T12:34:56")),
            "nan|2026-11-21 12:34");
  EXPECT_FALSE(apply_template("x", "[1]", 0));
  EXPECT_FALSE(apply_template("x", "{", 0));
}

}  // namespace
}  // namespace quire::text
