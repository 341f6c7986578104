#include "codec/toml.h"

#include <gmock/gmock.h>

#include <chrono>

namespace gateway::codec {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TomlTable table_of(std::string_view text) {
  auto parsed = TomlTable::parse(text, "spec.toml");
  EXPECT_TRUE(parsed) << parsed.error().message();
  return *std::move(parsed);
}

Error refusal(std::string_view text, const TomlLimits& limits = {}) {
  const auto parsed = TomlTable::parse(text, "spec.toml", limits);
  return parsed ? Error(ErrorCode::kInternal, "test.accepted") : parsed.error();
}

TEST(Toml, ReadsTypedValues) {
  TomlTable table = table_of(
      "name = 'x'\ncount = -3\non = true\nwait = '5m'\nlist = ['a', 'b']\n[sub]\nkey = \"v\\u00e9\"\n"
      "[[item]]\nid = 1\n[[item]]\nid = 2\n");
  EXPECT_TRUE(table.has("name"));
  EXPECT_FALSE(table.has("nothing"));
  EXPECT_EQ(table.text("name").value(), "x");
  EXPECT_EQ(table.integer("count").value(), -3);
  EXPECT_EQ(table.optional_boolean("on").value(), true);
  EXPECT_EQ(table.optional_duration("wait").value(), std::chrono::minutes(5));
  EXPECT_THAT(*table.optional_texts("list").value(), ElementsAre("a", "b"));
  auto sub = table.table("sub");
  ASSERT_TRUE(sub);
  EXPECT_EQ(sub->text("key").value(), "vé");
  EXPECT_EQ(sub->line(), 6);
  auto items = table.tables("item");
  ASSERT_TRUE(items);
  ASSERT_EQ(items->size(), 2U);
  EXPECT_EQ(items->at(1).integer("id").value(), 2);
  EXPECT_TRUE(table.finish());
  EXPECT_TRUE(sub->finish());
}

TEST(Toml, GivesNothingForWhatIsAbsent) {
  TomlTable table = table_of("");
  EXPECT_EQ(table.optional_text("a").value(), std::nullopt);
  EXPECT_EQ(table.optional_integer("a").value(), std::nullopt);
  EXPECT_EQ(table.optional_boolean("a").value(), std::nullopt);
  EXPECT_EQ(table.optional_duration("a").value(), std::nullopt);
  EXPECT_EQ(table.optional_texts("a").value(), std::nullopt);
  EXPECT_FALSE(table.optional_table("a").value());
  EXPECT_TRUE(table.tables("a").value().empty());
}

TEST(Toml, ReadsTablesOfNames) {
  TomlTable table = table_of("[env]\nA = '1'\n\"B.C\" = '2'\n[pcr]\n0 = 7\n");
  EXPECT_THAT(table.table("env")->all_texts().value(), ElementsAre(Pair("A", "1"), Pair("B.C", "2")));
  EXPECT_THAT(table.table("pcr")->all_integers().value(), ElementsAre(Pair("0", 7)));
  EXPECT_EQ(table.table("pcr")->all_texts().error().id(), "toml.wrong_type");
  EXPECT_EQ(table.table("env")->all_integers().error().id(), "toml.wrong_type");
}

TEST(Toml, NamesFileAndLineOfAWrongType) {
  TomlTable table = table_of("a = 1\n\nb = 'x'\n[t]\nc = [1]\n");
  const auto wrong = [](const Error& error, std::string_view place) {
    EXPECT_EQ(error.id(), "toml.wrong_type");
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.detail(), HasSubstr(std::string(place)));
  };
  wrong(table.text("a").error(), "spec.toml:1: a is an integer");
  wrong(table.integer("b").error(), "spec.toml:3: b is a text");
  wrong(table.optional_boolean("b").error(), "spec.toml:3: b");
  wrong(table.optional_duration("a").error(), "spec.toml:1: a");
  wrong(table.optional_texts("a").error(), "spec.toml:1: a");
  wrong(table.optional_table("a").error(), "spec.toml:1: a");
  wrong(table.tables("a").error(), "spec.toml:1: a");
  wrong(table.tables("t").error(), "spec.toml:4: t");
  auto sub = table.table("t");
  wrong(sub->optional_texts("c").error(), "spec.toml:5: t.c");
  wrong(sub->tables("c").error(), "spec.toml:5: t.c");
}

TEST(Toml, NamesWhatIsMissing) {
  TomlTable table = table_of("[t]\n");
  EXPECT_EQ(table.text("name").error().id(), "toml.missing_key");
  EXPECT_EQ(table.integer("name").error().id(), "toml.missing_key");
  EXPECT_EQ(table.table("name").error().id(), "toml.missing_key");
  EXPECT_THAT(table.table("t")->text("name").error().detail(), HasSubstr("spec.toml:1: t.name is missing"));
}

TEST(Toml, RefusesKeysThatNobodyAskedForAndNamesTheNearest) {
  TomlTable table = table_of("[workload]\nargs = ['x']\nworkign_dir = '/'\n");
  auto workload = table.table("workload");
  ASSERT_TRUE(workload->optional_texts("args"));
  ASSERT_TRUE(workload->optional_text("working_dir"));
  ASSERT_TRUE(workload->optional_text("user"));
  const auto finished = workload->finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().id(), "toml.unknown_key");
  EXPECT_THAT(finished.error().detail(), HasSubstr("spec.toml:3: workload.workign_dir"));
  EXPECT_THAT(finished.error().remedy(), HasSubstr("\"working_dir\""));
  EXPECT_TRUE(table.finish());
}

TEST(Toml, SaysThatAMissingKeyIsMisspeltRatherThanMissing) {
  TomlTable table = table_of("listn = 'here'\nversin = 1\ngid = 1\n");
  const auto text = table.text("listen");
  EXPECT_EQ(text.error().id(), "toml.unknown_key");
  EXPECT_EQ(text.error().detail(), "spec.toml:1: listn is not a known key");
  EXPECT_EQ(text.error().remedy(), "the nearest valid key is \"listen\"");
  EXPECT_EQ(table.integer("version").error().id(), "toml.unknown_key");
  EXPECT_EQ(table.bad_value("version", "is missing").error().id(), "toml.unknown_key");
  EXPECT_EQ(table.integer("uid").error().id(), "toml.missing_key") << "gid is another valid key";
}

TEST(Toml, ListsTheValidKeysWhenNoneIsNear) {
  TomlTable table = table_of("min_tcb = 1\n");
  ASSERT_TRUE(table.optional_text("max_age"));
  ASSERT_TRUE(table.optional_text("root"));
  EXPECT_EQ(table.finish().error().remedy(), "what can stand here: max_age, root");
}

TEST(Toml, RefusesAnUnknownKeyWhereNoneIsValid) {
  const TomlTable table = table_of("x = 1\n");
  EXPECT_EQ(table.finish().error().id(), "toml.unknown_key");
}

TEST(Toml, RefusesBadDurationsAndLetsCallersRefuseValues) {
  TomlTable table = table_of("\nwait = 'soon'\n");
  EXPECT_EQ(table.optional_duration("wait").error().id(), "toml.bad_value");
  const Error error = table.bad_value("wait", "too long", "wait less").error();
  EXPECT_EQ(error.id(), "toml.bad_value");
  EXPECT_EQ(error.detail(), "spec.toml:2: wait: too long");
  EXPECT_EQ(error.remedy(), "wait less");
}

TEST(Toml, RefusesWhatIsNotToml) {
  for (const char* text : {"a",
                           "a =",
                           "= 1",
                           "a = 1 b = 2",
                           "a = 'x",
                           "a = \"\"\"x",
                           "[a",
                           "[a]]",
                           "a = [1,",
                           "a = {b=1",
                           "a = 1\na = 2",
                           "[a]\n[a]",
                           "a = 1\n[a]",
                           "a.b = 1\na.b.c = 2",
                           "a = \"\\q\"",
                           "a = 01",
                           "a = 99999999999999999999",
                           "\xff = 1",
                           "a = \"\xc0\x80\"",
                           "a = 'x\x01'"}) {
    const Error error = refusal(text);
    EXPECT_EQ(error.id(), "toml.syntax") << text;
    EXPECT_EQ(error.code(), ErrorCode::kMalformed) << text;
  }
  EXPECT_THAT(refusal("a = 1\nb =\n").detail(), HasSubstr("spec.toml:2: "));
}

// Found by fuzzing a policy: the parser's own assertions must not stop the process on a bad file.
TEST(Toml, RefusesWhatTheParserWouldAssertAbout) {
  for (const char* text : {"[ [a]]\nb", "[ [a]]", "[[ [a]]]"}) EXPECT_EQ(refusal(text).id(), "toml.syntax") << text;
}

TEST(Toml, RefusesDatesBecauseNoFileOfOursHasAny) {
  EXPECT_EQ(refusal("a = 1\nwhen = 2026-01-02T03:04:05Z\n").id(), "toml.wrong_type");
  EXPECT_THAT(refusal("a = 1\nwhen = 2026-01-02\n").detail(), HasSubstr("spec.toml:2: "));
}

TEST(Toml, RefusesWhatExceedsItsLimits) {
  EXPECT_EQ(refusal("a = 1", {.bytes = 4}).id(), "toml.size");
  EXPECT_EQ(refusal("a = [[[[1]]]]", {.depth = 4}).id(), "test.accepted");
  EXPECT_EQ(refusal("a = [[[[[1]]]]]", {.depth = 4}).id(), "toml.depth");
  EXPECT_EQ(refusal("[a.b.c.d]\ne = 1", {.depth = 4}).id(), "test.accepted");
  EXPECT_EQ(refusal("[a.b.c.d.e]", {.depth = 4}).id(), "toml.depth");
}

std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST(Toml, RefusesHostileNesting) {
  EXPECT_EQ(refusal("a = " + repeated("[", 500'000)).id(), "toml.syntax");
  EXPECT_EQ(refusal("a = " + repeated("{a=", 300'000)).id(), "toml.syntax");
  EXPECT_EQ(refusal(repeated("a.", 500'000) + "a = 1").id(), "toml.depth");
  EXPECT_EQ(refusal("[" + repeated("a.", 500'000) + "a]").id(), "toml.depth");
  EXPECT_EQ(refusal(repeated("'a' . ", 150'000) + "a = 1").id(), "toml.depth");
  EXPECT_EQ(refusal("x = ['''\n'a''', {" + repeated("a.", 400'000) + "a=1}]").id(), "toml.depth");
  EXPECT_EQ(refusal("x = [\"\\\"\", {" + repeated("a.", 400'000) + "a=1}]").id(), "toml.depth");
  EXPECT_EQ(refusal("# '\n" + repeated("a.", 400'000) + "a=1").id(), "toml.depth");
  EXPECT_EQ(refusal("x = \"\"\"\"\"\"\n" + repeated("a.", 400'000) + "a=1").id(), "toml.depth");
}

TEST(Toml, ReadsLettersWhereTheParserLooksForWhiteSpace) {
  TomlTable table = table_of("a = \"\"\"one\\\n  \u00e9two\"\"\"\n");
  EXPECT_EQ(table.text("a").value(), "one\u00e9two");
  EXPECT_EQ(refusal("a = [\u03c7'x']").id(), "toml.syntax");
}

TEST(Toml, AcceptsDotsThatAreNotInKeys) {
  EXPECT_EQ(refusal("a = '" + repeated("1.", 1000) + "'").id(), "test.accepted");
  EXPECT_EQ(refusal("a = \"\"\"" + repeated(".", 1000) + "\"\"\"").id(), "test.accepted");
  EXPECT_EQ(refusal("# " + repeated(".", 1000) + "\na = [" + repeated("'10.0.0.1',", 100) + "]").id(), "test.accepted");
  EXPECT_EQ(refusal("a = [" + repeated("1.5,", 100) + "]").id(), "test.accepted");
}

TEST(Toml, JudgesManyDottedKeysInReasonableTime) {
  std::string text;
  for (int i = 0; text.size() < 60'000; ++i) text += "a" + std::to_string(i) + ".b=1\na" + std::to_string(i) + ".c=1\n";
  // Work that doubles with each key would take longer than ctest allows.
  EXPECT_EQ(refusal(text).id(), "test.accepted");
}

}  // namespace
}  // namespace gateway::codec
