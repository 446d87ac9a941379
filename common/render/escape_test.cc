#include "common/render/escape.h"

#include <string>

#include "gtest/gtest.h"

namespace edcert::render {
namespace {

std::string Text(std::string_view value) {
  std::string out;
  AppendHtmlText(value, out);
  return out;
}

std::string Attribute(std::string_view value) {
  std::string out;
  AppendHtmlAttribute(value, out);
  return out;
}

std::string Exact(std::string_view value) {
  std::string out;
  AppendCsvCell(value, out);
  return out;
}

std::string Safe(std::string_view value) {
  std::string out;
  AppendSpreadsheetCell(value, out);
  return out;
}

std::string Visible(std::string_view value, size_t max_units = 1000) {
  std::string out;
  AppendVisibleText(value, max_units, out);
  return out;
}

std::string Json(std::string_view value) {
  std::string out;
  AppendJsonString(value, out);
  return out;
}

TEST(VisibleTextTest, ShowsWhatIsThere) {
  EXPECT_EQ(Visible("a<b>&\"\n\t"), "a<b>&\"\n\t");
  EXPECT_EQ(Visible(std::string_view("\0\x7F\r", 3)), "\xE2\x90\x80\xE2\x90\xA1\xE2\x90\x8D");
  EXPECT_EQ(Visible("\xE2\x80\xAEx\xEF\xBF\xBE"), "[U+202E]x[U+FFFE]");
  EXPECT_EQ(Visible("\xFFz"), "\xEF\xBF\xBDz");
}

TEST(VisibleTextTest, CutsBetweenCharactersAndSaysSo) {
  EXPECT_EQ(Visible("abcd", 4), "abcd");
  EXPECT_EQ(Visible("abcde", 4), "abc\xE2\x80\xA6");
  EXPECT_EQ(Visible("ab\xF0\x9F\x8F\xAB", 4), "ab\xF0\x9F\x8F\xAB");
  EXPECT_EQ(Visible("abc\xF0\x9F\x8F\xAB", 4), "abc\xE2\x80\xA6");
  EXPECT_EQ(Visible("abc\xE2\x80\xAE", 4), "abc\xE2\x80\xA6");
  EXPECT_EQ(Visible("", 0), "");
}

TEST(JsonStringTest, EscapesWhatMustNotBeThere) {
  EXPECT_EQ(Json("a\"\\b/"), R"("a\"\\b/")");
  EXPECT_EQ(Json(std::string_view("\0\n\t\x7F", 4)), R"("\u0000\n\u0009\u007f")");
  EXPECT_EQ(Json("</script>&"), R"("\u003c/script\u003e\u0026")");
  EXPECT_EQ(Json("\xE2\x80\xAE\xF3\xA0\x81\x81"), R"("\u202e\udb40\udc41")");
  EXPECT_EQ(Json("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(Json("Jos\xC3\xA9 \xF0\x9F\x8F\xAB"), "\"Jos\xC3\xA9 \xF0\x9F\x8F\xAB\"");
}

TEST(HtmlTextTest, KeepsOrdinaryText) {
  EXPECT_EQ(Text("José Martí \xE2\x80\x93 \xF0\x9F\x8F\xAB \"K-8\"\n"),
            "José Martí \xE2\x80\x93 \xF0\x9F\x8F\xAB \"K-8\"\n");
}

TEST(HtmlTextTest, EscapesMarkup) {
  EXPECT_EQ(Text("<script>alert(1)</script>"), "&lt;script&gt;alert(1)&lt;/script&gt;");
  EXPECT_EQ(Text("&lt;"), "&amp;lt;");
  EXPECT_EQ(Text("]]><!--"), "]]&gt;&lt;!--");
}

TEST(HtmlTextTest, ShowsControlCharacters) {
  EXPECT_EQ(Text(std::string_view("a\0b", 3)), "a&#9216;b");
  EXPECT_EQ(Text("a\x1B[31m\x7F\r"), "a&#9243;[31m&#9249;&#9229;");
  EXPECT_EQ(Text("\xC2\x85"), "[U+0085]");
}

TEST(HtmlTextTest, ShowsWhatReordersOrHides) {
  EXPECT_EQ(Text("abc\xE2\x80\xAE"
                 "fed"),
            "abc[U+202E]fed");
  EXPECT_EQ(Text("x\xE2\x80\x8By\xEF\xBB\xBFz"), "x[U+200B]y[U+FEFF]z");
  EXPECT_EQ(Text("\xF3\xA0\x81\x81"), "[U+E0041]");
}

TEST(HtmlTextTest, ReplacesBrokenUtf8) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(Text("a\xFF"
                 "b"),
            "a" + bad + "b");
  EXPECT_EQ(Text("\xC0\xBC"), bad + bad);                      // Overlong '<'.
  EXPECT_EQ(Text("\xED\xA0\x80"), bad + bad + bad);            // A surrogate.
  EXPECT_EQ(Text("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // Beyond U+10FFFF.
  EXPECT_EQ(Text("\xE2\x80"), bad + bad);                      // Cut short.
  EXPECT_EQ(Text("\xC3<b>"), bad + "&lt;b&gt;");               // Swallows no markup.
}

TEST(HtmlAttributeTest, CannotLeaveTheQuotes) {
  EXPECT_EQ(Attribute("\" onclick='x' `"), "&#34; onclick=&#39;x&#39; &#96;");
  EXPECT_EQ(Attribute("a\n\tb&<>"), "a&#10;&#9;b&amp;&lt;&gt;");
}

TEST(CsvCellTest, QuotesOnlyWhenItMust) {
  EXPECT_EQ(Exact(""), "");
  EXPECT_EQ(Exact("plain; text=1"), "plain; text=1");
  EXPECT_EQ(Exact("a,b"), "\"a,b\"");
  EXPECT_EQ(Exact("say \"x\""), "\"say \"\"x\"\"\"");
  EXPECT_EQ(Exact("a\r\nb"), "\"a\r\nb\"");
  EXPECT_EQ(Exact(" a"), "\" a\"");
}

TEST(CsvCellTest, ExactCellsKeepFormulasAndBytes) {
  EXPECT_EQ(Exact("=1+2"), "=1+2");
  EXPECT_EQ(Exact(std::string_view("\xFF\0", 2)), std::string("\xFF\0", 2));
}

TEST(SpreadsheetCellTest, DisarmsEveryStart) {
  for (const std::string start : {"=", "+", "-", "@", "|", "%"}) {
    EXPECT_EQ(Safe(start + "1"), "'" + start + "1");
    EXPECT_EQ(Safe("  " + start + "1"), "'  " + start + "1");
  }
  EXPECT_EQ(Safe("\t=1"), "'\t'=1");
  EXPECT_EQ(Safe("\r1"), "\"'\r1\"");
  EXPECT_EQ(Safe("\n1"), "\"'\n1\"");
}

TEST(SpreadsheetCellTest, DisarmsFullWidthForms) {
  for (const std::string start : {"＝", "＋", "－", "＠", "｜", "％"}) {
    EXPECT_EQ(Safe(start + "1"), "'" + start + "1");
  }
  EXPECT_EQ(Safe("\xC2\xA0=1"), "'\xC2\xA0=1");          // After a no-break space.
  EXPECT_EQ(Safe("\xE3\x80\x80=1"), "'\xE3\x80\x80=1");  // After an ideographic space.
}

TEST(SpreadsheetCellTest, DisarmsAfterOtherDelimiters) {
  EXPECT_EQ(Safe("a;=cmd"), "a;'=cmd");
  EXPECT_EQ(Safe("a; =cmd"), "a;' =cmd");
  EXPECT_EQ(Safe("a\n@x"), "\"a\n'@x\"");
  EXPECT_EQ(Safe("HYPERLINK(\"x\",1)"), "\"HYPERLINK(\"\"x\"\",1)\"");
}

TEST(SpreadsheetCellTest, LeavesHarmlessTextAlone) {
  for (const std::string_view text : {"", "Lincoln High", "2025-08-18", "a=b; c=d", "'quoted"}) {
    EXPECT_EQ(Safe(text), text);
  }
}

}  // namespace
}  // namespace edcert::render
