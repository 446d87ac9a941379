#include "services/dataset/csv_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "common/status/error.h"

namespace edcert::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Parsed {
  std::vector<std::vector<std::string>> records;
  std::vector<int64_t> lines;
  absl::Status status;
};

Parsed Parse(const std::vector<std::string_view>& chunks) {
  Parsed out;
  CsvParser parser;
  const auto each = [&out](int64_t line, const std::vector<std::string_view>& fields) {
    out.lines.push_back(line);
    out.records.emplace_back(fields.begin(), fields.end());
    return absl::OkStatus();
  };
  for (const std::string_view chunk : chunks) {
    if (out.status.ok()) out.status = parser.Parse(chunk, each);
  }
  if (out.status.ok()) out.status = parser.Finish(each);
  return out;
}

TEST(CsvParserTest, TakesRecordsWithEitherLineEnd) {
  const Parsed parsed = Parse({"a,b\r\n1,2\n3,4"});
  EXPECT_TRUE(parsed.status.ok());
  EXPECT_THAT(parsed.records,
              ElementsAre(ElementsAre("a", "b"), ElementsAre("1", "2"), ElementsAre("3", "4")));
  EXPECT_THAT(parsed.lines, ElementsAre(1, 2, 3));
}

TEST(CsvParserTest, CountsTheLinesInsideQuotes) {
  const Parsed parsed = Parse({"a\n\"x\r\ny\n\"\nz\n"});
  EXPECT_THAT(parsed.records,
              ElementsAre(ElementsAre("a"), ElementsAre("x\r\ny\n"), ElementsAre("z")));
  EXPECT_THAT(parsed.lines, ElementsAre(1, 2, 5));
}

TEST(CsvParserTest, UnquotesAndKeepsEmptyFields) {
  const Parsed parsed = Parse({"\"a \"\"b\"\"\",,\"\",\"c,d\"\n,\n"});
  EXPECT_THAT(parsed.records,
              ElementsAre(ElementsAre("a \"b\"", "", "", "c,d"), ElementsAre("", "")));
}

TEST(CsvParserTest, DropsAByteOrderMarkCutAnywhere) {
  EXPECT_THAT(Parse({"\xEF", "\xBB", "\xBF", "a\n"}).records, ElementsAre(ElementsAre("a")));
  EXPECT_THAT(Parse({"\xEF\xBB", "a\n"}).records, ElementsAre(ElementsAre("\xEF\xBB"
                                                                          "a")));
  EXPECT_THAT(Parse({"\xEF\xBB\xBF"}).records, IsEmpty());
}

TEST(CsvParserTest, GivesTheSameHoweverTheTextIsCut) {
  const std::string text =
      "\xEF\xBB\xBF"
      "a,b,c\r\n\"1\"\"\r\n,\",2,\r\n,,\n\"\",x,\"y\"\r\n3,\"\n\n\",z";
  const Parsed whole = Parse({text});
  ASSERT_TRUE(whole.status.ok());
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string_view> chunks;
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t size = std::min<std::size_t>(rest.size(), random() % 5);
      chunks.push_back(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    const Parsed cut = Parse(chunks);
    ASSERT_TRUE(cut.status.ok());
    ASSERT_EQ(cut.records, whole.records);
    ASSERT_EQ(cut.lines, whole.lines);
  }
}

void ExpectRefused(std::string_view text, const std::string& why) {
  const Parsed parsed = Parse({text});
  EXPECT_EQ(status::ReasonOf(parsed.status), "FIELD_INVALID") << text;
  EXPECT_THAT(std::string(parsed.status.message()), HasSubstr(why));
}

TEST(CsvParserTest, RefusesWhatIsNotCsvAndNamesTheLine) {
  ExpectRefused("a\nb\"c\n", "line 2: a quote");
  ExpectRefused("a\n\n\"b\"c\n", "line 3: text stands behind");
  ExpectRefused("a\n\"b", "line 2: the text ends inside quotes");
  ExpectRefused("a\rb\n", "carriage return");
  ExpectRefused("a\r", "carriage return");
  ExpectRefused(std::string_view("a\n\0\n", 4), "line 2: a NUL byte");
  ExpectRefused(std::string_view("a\n\"\0\"\n", 6), "NUL");
  ExpectRefused(std::string_view("\"a\"\0", 4), "NUL");
}

TEST(CsvParserTest, BoundsTheRecord) {
  ExpectRefused("a\n" + std::string(kMaxRecordBytes + 1, 'x'), "line 2: the record is longer");
  ExpectRefused("\"" + std::string(kMaxRecordBytes + 1, '\n'), "the record is longer");
  ExpectRefused(std::string(kMaxRecordBytes + 1, 'x') + "\n", "line 1: the record is longer");
  ExpectRefused(std::string(kMaxFields, ','), "more than 1000 fields");
  ExpectRefused(std::string(kMaxFields, ',') + "\n", "more than 1000 fields");
  EXPECT_TRUE(Parse({std::string(kMaxFields - 1, ',')}).status.ok());
}

TEST(CsvParserTest, TakesAnyBytesTheSameHoweverTheyAreCut) {
  std::mt19937 random(11);
  const std::string_view alphabet("\",\r\n\0a\xEF\xBB\xBF", 9);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (std::size_t i = random() % 12; i > 0; --i) text += alphabet[random() % alphabet.size()];
    const Parsed parsed = Parse({text});
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < text.size(); ++i)
      bytes.push_back(std::string_view(text).substr(i, 1));
    const Parsed cut = Parse(bytes);
    ASSERT_EQ(cut.records, parsed.records);
    ASSERT_EQ(cut.lines, parsed.lines);
    ASSERT_EQ(cut.status.message(), parsed.status.message());
    if (parsed.status.ok()) continue;
    ASSERT_EQ(status::ReasonOf(parsed.status), "FIELD_INVALID");
  }
}

}  // namespace
}  // namespace edcert::dataset
