// Safetensors files, good and damaged. The right answer is known because the writer builds each
// file from the format's documentation, and each damage breaks one rule of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "models/load/safetensors.h"
#include "tests/golden/checkpoint_writer.h"

namespace quire::models {
namespace {

using quire::testing::f32_tensor;
using quire::testing::RawTensor;
using quire::testing::safetensors_bytes;
using quire::testing::TempFolder;
using quire::testing::write_file;
using quire::testing::write_shards;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<RawTensor> six_tensors() {
  std::vector<RawTensor> tensors;
  for (int i = 0; i < 6; ++i) {
    const std::int64_t rows = i + 1;
    std::vector<float> values(static_cast<std::size_t>(rows * 3), static_cast<float>(i) + 0.5f);
    tensors.push_back(f32_tensor("layer." + std::to_string(i) + ".weight", {rows, 3}, values));
  }
  return tensors;
}

Result<Checkpoint> open_bytes(const std::string& bytes) {
  const TempFolder folder;
  write_file(folder / "model.safetensors", bytes);
  return Checkpoint::open(folder.path());
}

std::string message_of(const Result<Checkpoint>& result) {
  return result ? "(no error)" : result.error().message;
}

Result<std::vector<TensorInfo>> header(const std::string& json, std::uint64_t data_bytes) {
  return parse_safetensors_header(json, data_bytes);
}

TEST(Safetensors, ReadsWhatWasWritten) {
  const TempFolder folder;
  write_file(folder / "model.safetensors", safetensors_bytes(six_tensors()));
  const auto checkpoint = Checkpoint::open(folder.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  ASSERT_EQ(checkpoint->tensors().size(), 6u);
  const auto* tensor = checkpoint->find("layer.3.weight");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->info.shape, (std::vector<std::int64_t>{4, 3}));
  std::vector<float> values(12);
  ASSERT_TRUE(checkpoint->read(*tensor, 0, std::as_writable_bytes(std::span(values))));
  EXPECT_EQ(values, std::vector<float>(12, 3.5f));
  EXPECT_EQ(checkpoint->find("layer.9.weight"), nullptr);
}

TEST(Safetensors, ReadsShards) {
  const TempFolder folder;
  write_shards(folder.path(), six_tensors(), 2);
  const auto checkpoint = Checkpoint::open(folder.path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->tensors().size(), 6u);
  EXPECT_NE(checkpoint->find("layer.0.weight")->file, checkpoint->find("layer.1.weight")->file);
}

// A folder of the Hugging Face cache: snapshots are symbolic links to blobs.
TEST(Safetensors, FollowsLinksToRegularFiles) {
  const TempFolder blobs, folder;
  write_file(blobs / "abc", safetensors_bytes(six_tensors()));
  std::filesystem::create_symlink(blobs / "abc", folder / "model.safetensors");
  EXPECT_TRUE(Checkpoint::open(folder.path()));
}

TEST(Safetensors, EveryTruncationIsAnError) {
  const std::string bytes = safetensors_bytes(six_tensors());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto result = open_bytes(bytes.substr(0, size));
    ASSERT_FALSE(result) << size;
    EXPECT_THAT(message_of(result), HasSubstr("model.safetensors")) << size;
  }
  EXPECT_TRUE(open_bytes(bytes));
  EXPECT_THAT(message_of(open_bytes(bytes + "x")), HasSubstr("cover"));
}

// A flipped bit may hit a name or padding, which leaves a valid file; it must never do more.
TEST(Safetensors, EveryBitFlipOfTheHeaderIsAnErrorOrAValidFile) {
  const std::string bytes = safetensors_bytes(six_tensors());
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  int errors = 0;
  for (std::size_t bit = 0; bit < (8 + header_bytes) * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto result = open_bytes(damaged);
    if (!result) {
      ++errors;
      continue;
    }
    std::uint64_t total = 0;
    for (const auto& tensor : result->tensors()) total += tensor.info.bytes;
    EXPECT_EQ(total, bytes.size() - 8 - header_bytes) << bit;
  }
  EXPECT_GT(errors, static_cast<int>(header_bytes) * 4);
}

TEST(Safetensors, HeaderSizesAreChecked) {
  const std::string bytes = safetensors_bytes(six_tensors());
  const std::uint64_t length = bytes.size() - 8;
  for (const std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{7}, length - 1, length, length + 1,
        std::uint64_t{100'000'000}, std::uint64_t{100'000'001}, std::uint64_t{1} << 31,
        std::uint64_t{1} << 32, std::uint64_t{1} << 63, ~std::uint64_t{0} - 7, ~std::uint64_t{0}}) {
    std::string damaged = bytes;
    std::memcpy(damaged.data(), &size, sizeof size);
    EXPECT_FALSE(open_bytes(damaged)) << size;
  }
}

TEST(Safetensors, NamesTheTensorAndTheRule) {
  const auto refused = [](const std::string& entry, std::uint64_t bytes, const char* why) {
    const auto result = header("{\"w\":" + entry + "}", bytes);
    ASSERT_FALSE(result) << entry;
    EXPECT_THAT(result.error().message, AllOf(HasSubstr("\"w\""), HasSubstr(why))) << entry;
  };
  const auto entry = [](const char* dtype, const char* shape, const char* offsets) {
    return fmt::format(R"({{"dtype":"{}","shape":{},"data_offsets":{}}})", dtype, shape, offsets);
  };
  EXPECT_TRUE(header("{\"w\":" + entry("F32", "[2]", "[0,8]") + "}", 8));
  EXPECT_TRUE(header("{\"w\":" + entry("F32", "[]", "[0,4]") + "}", 4));
  EXPECT_TRUE(header("{\"w\":" + entry("F4", "[2]", "[0,1]") + "}", 1));
  refused(entry("F32", "[2]", "[0,4]"), 4, "does not have the 4 bytes");
  refused(entry("f32", "[2]", "[0,8]"), 8, "unknown dtype \"f32\"");
  refused(entry("F4", "[3]", "[0,1]"), 1, "does not have");
  refused(entry("F32", "[-1]", "[0,8]"), 8, "-1");
  refused(entry("F32", "[1.5]", "[0,8]"), 8, "1.5");
  refused(entry("F32", "[\"2\"]", "[0,8]"), 8, "a string");
  refused(entry("F32", "[9223372036854775808]", "[0,8]"), 8, "dimension");
  refused(entry("F32", "[4294967296,4294967296]", "[0,0]"), 0, "does not have");
  refused(entry("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "8 dimensions");
  refused(entry("F32", "[2]", "[8,0]"), 8, "behind its end");
  refused(entry("F32", "[2]", "[8,16]"), 16, "a hole");
  refused(entry("F32", "[2]", "[0]"), 8, "two data_offsets");
  refused(entry("F32", "[2]", "[0,8,9]"), 8, "two data_offsets");
  refused(entry("F32", "{}", "[0,8]"), 8, "an object");
  refused(R"({"dtype":"F32","shape":[2]})", 8, "lacks \"data_offsets\"");
  refused(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})", 8, "unknown key \"x\"");
  refused(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})", 8, "twice");
  refused("null", 0, "null");
  refused("[]", 0, "an array");
}

TEST(Safetensors, RefusesOverlapsDuplicatesAndOddHeaders) {
  const std::string a = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  const std::string b = R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]})";
  EXPECT_THAT(header("{" + a + "," + b + "}", 6).error().message, HasSubstr("an overlap"));
  EXPECT_THAT(header("{" + a + "," + a + "}", 4).error().message, HasSubstr("appears twice"));
  EXPECT_THAT(header("{" + a + "}", 5).error().message, HasSubstr("the file has 5"));
  EXPECT_THAT(header(R"({"__metadata__":{"k":1}})", 0).error().message, HasSubstr("__metadata__"));
  for (const char* text : {"", "[]", " {}", "\xef\xbb\xbf{}", "{", "{}x", "{\"a\"}", "nul"}) {
    EXPECT_FALSE(header(text, 0)) << text;
  }
  EXPECT_FALSE(header(std::string("{}\0", 3), 0));
  EXPECT_TRUE(header(R"({"__metadata__":null})", 0));  // as MLX writes it
  EXPECT_FALSE(header(R"({"a":null})", 0));
  EXPECT_TRUE(header("{}  ", 0));
  SafetensorsLimits limits;
  limits.tensors = 1;
  EXPECT_FALSE(parse_safetensors_header(
      "{" + a + R"(,"c":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}})", 4, limits));
}

TEST(Safetensors, IndexesNeverLeadOutOfTheFolder) {
  const TempFolder outside;
  write_file(outside / "x.safetensors", safetensors_bytes(six_tensors()));
  for (const std::string& name :
       {std::string("../x.safetensors"), (outside / "x.safetensors").string(),
        std::string("a/../../x.safetensors"), std::string(".."), std::string(""),
        std::string("x\\y.safetensors"), std::string("x.safetensors\0y", 15),
        std::string("x.bin")}) {
    const TempFolder folder;
    Json index;
    index["weight_map"]["layer.0.weight"] = name;
    write_file(folder / "model.safetensors.index.json", dump_json(index));
    const auto result = Checkpoint::open(folder.path());
    ASSERT_FALSE(result) << name;
    EXPECT_THAT(message_of(result), AllOf(HasSubstr("index.json"), HasSubstr("shard"))) << name;
  }
}

TEST(Safetensors, IndexAndShardsMustAgree) {
  const TempFolder folder;
  write_shards(folder.path(), six_tensors(), 2);
  const std::string shard = "model-00001-of-00002.safetensors";
  std::vector<RawTensor> more = six_tensors();
  more.resize(1);
  more.push_back(f32_tensor("stranger", {1}, {1}));
  write_file(folder / shard, safetensors_bytes(more));
  EXPECT_THAT(message_of(Checkpoint::open(folder.path())), HasSubstr("\"stranger\""));
  more.pop_back();
  write_file(folder / shard, safetensors_bytes(more));
  EXPECT_THAT(message_of(Checkpoint::open(folder.path())), HasSubstr("is not in model-00001"));
  std::filesystem::remove(folder / shard);
  EXPECT_THAT(message_of(Checkpoint::open(folder.path())), HasSubstr(shard));
}

TEST(Safetensors, OnlyRegularFiles) {
  {
    const TempFolder folder;
    ASSERT_EQ(::mkfifo((folder / "model.safetensors").c_str(), 0600), 0);
    EXPECT_THAT(message_of(Checkpoint::open(folder.path())), HasSubstr("not a regular file"));
  }
  {
    const TempFolder folder;
    std::filesystem::create_directory(folder / "model.safetensors");
    EXPECT_THAT(message_of(Checkpoint::open(folder.path())), HasSubstr("not a regular file"));
  }
  {
    const TempFolder folder;
    std::filesystem::create_symlink("/dev/zero", folder / "model.safetensors");
    EXPECT_THAT(message_of(Checkpoint::open(folder.path())), HasSubstr("not a regular file"));
  }
  const TempFolder folder;
  EXPECT_THAT(message_of(Checkpoint::open(folder.path())), HasSubstr("neither"));
}

// The kernel would deliver SIGBUS for a mapping; a read is an error that names the tensor.
TEST(Safetensors, AFileThatShrinksLaterIsAnError) {
  const TempFolder folder;
  const std::string bytes = safetensors_bytes(six_tensors());
  write_file(folder / "model.safetensors", bytes);
  const auto checkpoint = Checkpoint::open(folder.path());
  ASSERT_TRUE(checkpoint);
  ASSERT_EQ(
      ::truncate((folder / "model.safetensors").c_str(), static_cast<off_t>(bytes.size() - 4)), 0);
  const auto* last = checkpoint->find("layer.5.weight");
  std::vector<std::byte> out(last->info.bytes);
  const Status read = checkpoint->read(*last, 0, out);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, AllOf(HasSubstr("layer.5.weight"), HasSubstr("ends at byte")));
}

}  // namespace
}  // namespace quire::models
