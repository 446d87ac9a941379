#include "services/validation_report/sql_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "services/validation_report/sql_parse.h"

namespace edcert::validation_report {
namespace {

using testing::HasSubstr;

const std::vector<std::string>& Columns() {
  static const std::vector<std::string> columns = {"student_uid",
                                                   "school_id",
                                                   "school_year",
                                                   "first_name",
                                                   "birth_date",
                                                   "entry_date",
                                                   "exit_date",
                                                   "exit_type",
                                                   "race",
                                                   "grade_level",
                                                   "fte",
                                                   "homeless",
                                                   "days_present",
                                                   "this.entry_date",
                                                   "other.exit_date"};
  return columns;
}

const std::map<std::string, std::vector<std::string>>& Datasets() {
  static const std::map<std::string, std::vector<std::string>> datasets = {
      {"enrollment",
       {"record_key", "student_uid", "school_id", "entry_date", "exit_date", "race", "fte"}},
      {"attendance_event", {"record_key", "student_uid", "school_id", "event_date"}},
  };
  return datasets;
}

std::string Repeat(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST(CheckExpression, RefusesWhatIsNotAllowed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      // Functions that act, wait, read files, read the catalogue or run text.
      {"pg_sleep(10) is null", "system name"},
      {"\"pg_sleep\"(10) is null", "system name"},
      {"\"PG_SLEEP\"(10) is null", "system name"},
      {"set_config('role', 'postgres', true) = ''", "the function set_config"},
      {"current_setting('edcert.org') = ''", "the function current_setting"},
      {"query_to_xml('select 1', true, true, '') is null", "the function query_to_xml"},
      {"table_to_xml('enrollment', true, true, '') is null", "the function table_to_xml"},
      {"lo_import('/etc/passwd') > 0", "the function lo_import"},
      {"lo_export(1, '/tmp/x') > 0", "the function lo_export"},
      {"pg_read_file('/etc/passwd') = ''", "system name"},
      {"dblink('host=x', 'select 1') is null", "the function dblink"},
      {"dblink_connect('x') is null", "the function dblink_connect"},
      {"version() = ''", "the function version"},
      {"nextval('s') > 0", "the function nextval"},
      {"inet_server_addr() is null", "the function inet_server_addr"},
      {"has_table_privilege('x', 'select')", "the function has_table_privilege"},
      {"txid_current() > 0", "the function txid_current"},
      {"random() > 0.5", "the function random"},
      {"repeat('x', 1000000000) = ''", "the function repeat"},
      {"generate_series(1, 1000000000) > 0", "the function generate_series"},
      {"to_char(entry_date, 'YYYY') = '2022'", "the function to_char"},
      {"chr(0) = ''", "the function chr"},
      {"format('%s', first_name) = ''", "the function format"},
      {"my_function(first_name)", "the function my_function"},
      // The clock, the session, the day of reading.
      {"entry_date > current_date", "when and by whom"},
      {"entry_date > localtimestamp", "when and by whom"},
      {"first_name = current_user", "when and by whom"},
      {"first_name = session_user", "when and by whom"},
      {"entry_date > now()", "the function now"},
      {"entry_date > clock_timestamp()", "the function clock_timestamp"},
      {"age(birth_date) > interval '5 years'", "number of arguments"},
      {"entry_date > 'today'", "day of reading"},
      {"entry_date > ' Now '", "day of reading"},
      {"entry_date > 'monday today04:00 est'", "day of reading"},
      {"entry_date > date 'tomorrow'", "ISO form"},
      {"entry_date > ('to' || 'day')::date", "made-up text"},
      {"entry_date > concat('to', 'day')::date", "made-up text"},
      {"entry_date > date '01/02/2022'", "ISO form"},
      {"entry_date at time zone 'utc' > birth_date", "the function timezone"},
      // More than one expression.
      {"true; drop table enrollment", "a second statement"},
      {"true;", "a second statement"},
      {"true, false", "anything but one expression"},
      {"true as x", "anything but one expression"},
      {"true from enrollment", "anything but one expression"},
      {"true into temp x", "INTO"},
      {"true union select false", "anything but one expression"},
      {"true where true", "anything but one expression"},
      {"true order by 1", "ORDER BY"},
      {"true limit 1", "LIMIT"},
      {"true for update", "a lock"},
      {"distinct true", "anything but one expression"},
      {"", "anything but one expression"},
      {"   ", "anything but one expression"},
      {"1; copy enrollment to program 'sh'", "a second statement"},
      {"true) or (true", "syntax error"},
      // Comments and ways to hide a text.
      {"true -- and false", "a comment"},
      {"true /* and false */", "a comment"},
      {"first_name = $$x$$", "dollar quotes"},
      {"first_name = $tag$x$tag$", "dollar quotes"},
      {"first_name = U&'\\0041'", "a Unicode escape"},
      {"U&\"first\\005fname\" = 'x'", "a Unicode escape"},
      {"first_name = E'\\x41'", "escapes"},
      {"first_name = E'\\u0041'", "escapes"},
      {"fte = b'1'::int", "a bit string"},
      {"fte = x'1F'::int", "a bit string"},
      {"first_name = $1", "a parameter"},
      {std::string("true\0 or false", 14), "a control character"},
      {"first_name = '\x01'", "a control character"},
      {"first_name = '\xff'", "not UTF-8"},
      // Names.
      {"password = 'x'", "an unknown column password"},
      {"\"First_Name\" = 'x'", "a column with this name"},
      {"\"this.entry_date\" is null", "a column with this name"},
      {"enrollment.student_uid = 'x'", "an unknown column student_uid"},
      {"dataset.enrollment.student_uid = 'x'", "a name with a schema"},
      {"ctid is null", "an unknown column ctid"},
      {"tableoid is null", "an unknown column tableoid"},
      {"pg_catalog.lower(first_name) = 'x'", "system name"},
      {"public.lower(first_name) = 'x'", "a function with a schema"},
      {"fte operator(pg_catalog.+) 1 > 0", "system name"},
      {"fte operator(public.+) 1 > 0", "an operator with a schema"},
      {"enrollment.* is null", "*"},
      {"(first_name).x is null", "a subscript"},
      // Sub-queries and values of many parts.
      {"(select true)", "a sub-query"},
      {"exists (select 1)", "a sub-query"},
      {"student_uid in (select usename from x)", "a sub-query"},
      {"student_uid = any (array(select student_uid from x))", "a sub-query"},
      {"row(first_name, race) is null", "a row value"},
      {"(first_name, race) = ('a', 'b')", "a row value"},
      {"(string_to_array(race, ';'))[1] = 'x'", "a subscript"},
      {"first_name collate \"C\" > 'x'", "COLLATE"},
      {"xmlelement(name x) is null", "XML"},
      {"make_interval(days => 3) is null", "a named argument"},
      {"count(*) > 1", "here the aggregate count"},
      {"sum(fte) over () > 1", "a window function"},
      {"concat(variadic array['a']) = 'a'", "this form of call"},
      {"concat(first_name::char(10000000), race) = ''", "a length of more than 100"},
      {"cast(first_name as character(101)) = ''", "a length of more than 100"},
      {"default", "DEFAULT"},
      // Types and operators.
      {"'enrollment'::regclass is null", "the type regclass"},
      {"'lower'::regproc is null", "the type regproc"},
      {"first_name::xml is null", "the type xml"},
      {"first_name::json is null", "the type json"},
      {"fte::float8 > 0", "the type float8"},
      {"first_name::public.text = 'x'", "a type with a schema"},
      {"fte ^ 100000 > 0", "this operator"},
      {"first_name similar to '%a'", "this operator"},
      {"first_name ~ race", "a pattern that is not a literal"},
      {"first_name ~ '(a*)*\\1'", "refers back"},
      {"first_name ~ '" + Repeat("a", 201) + "'", "longer than 200"},
      {"regexp_replace(first_name, race, '') = ''", "a pattern that is not a literal"},
      {"replace(replace(first_name, 'a', 'bb'), 'b', 'aa') = ''", "lengthens text"},
      {"replace(first_name, 'a', race) = ''", "short literal"},
      {"lpad(first_name, 1000000000) = ''", "at most 100"},
      {"extract(timezone from entry_date) = 0", "this unit of time"},
      {"date_part(first_name, entry_date) = 0", "this unit of time"},
      // Size.
      {"fte > 1e400", "an exponent"},
      {"fte > " + Repeat("9", 41), "more than 40 digits"},
      {"first_name = '" + Repeat("a", 1'001) + "'", "more than 1000 bytes"},
      {"true " + Repeat(" ", 8 * 1'024), "longer than 8 KiB"},
      {Repeat("not ", 51) + "homeless", "nested"},
      {Repeat("not ", 2'000) + "homeless", "nested"},
      {"fte > " + Repeat("1+", 60) + "1", "nested"},
      {"fte in (" + Repeat("1,", 2'000) + "1)", "more than 2000 nodes"},
      // Never true.
      {"1", "never true or false"},
      {"'x'", "never true or false"},
      {"lower(first_name)", "never true or false"},
      {"fte + 1", "never true or false"},
  };
  for (const auto& [text, what] : cases) {
    const auto checked = CheckExpression(text, Columns());
    ASSERT_FALSE(checked.ok()) << text << " was accepted as " << *checked;
    EXPECT_EQ(checked.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(RefusalOf(checked.status()).what, HasSubstr(what)) << text.substr(0, 200);
  }
}

TEST(CheckExpression, SaysWhere) {
  const auto position = [](const std::string& text) {
    const auto checked = CheckExpression(text, Columns());
    return checked.ok() ? -1 : RefusalOf(checked.status()).position;
  };
  EXPECT_EQ(position("fte > 0 and password = 'x'"), 13);
  EXPECT_EQ(position("random() > 0"), 1);
  EXPECT_EQ(position("fte > > 0"), 7);
  EXPECT_EQ(position("first_name = 'é' and password = 'x'"), 22);
  EXPECT_EQ(position("true -- x"), 6);
  EXPECT_EQ(position("fte > 0 and (select true)"), 13);
}

TEST(CheckExpression, AcceptsAndPrintsTheSameAgain) {
  const std::vector<std::string> cases = {
      "true",
      "homeless",
      "not homeless",
      "this.entry_date <= other.exit_date",
      "exit_date < entry_date",
      "exit_date is null <> (exit_type is null)",
      "(exit_date is null) != (exit_type is null)",
      "birth_date is null or birth_date >= entry_date",
      "fte < 0 or fte > 1.00",
      "fte not between 0 and 1",
      "grade_level in ('KG', '01', '02')",
      "grade_level not in ('12', 'AE') and exit_type = 'GRADUATED'",
      "student_uid !~ '^[0-9]{6,10}$'",
      "student_uid ~ '^\\d+$'",
      "first_name like 'A%' or first_name ilike '%b'",
      "first_name not like 'A%'",
      "length(trim(first_name)) = 0",
      "trim(both ' ' from first_name) = ''",
      "substring(student_uid from 1 for 2) = '25'",
      "substring(student_uid, 1, 2) = '25'",
      "position('-' in first_name) > 0",
      "upper(left(first_name, 1)) <> left(first_name, 1)",
      "extract(year from birth_date) < 1990",
      "date_part('year', age(entry_date, birth_date)) not between 4 and 22",
      "entry_date > make_date(school_year::int, 6, 30) + interval '6 months'",
      "entry_date - birth_date > 365 * 4",
      "date_trunc('month', entry_date)::date = entry_date",
      "exit_date > date '2022-07-01'",
      "entry_date + 30 < exit_date",
      "'WHITE' = any (string_to_array(race, ';'))",
      "cardinality(string_to_array(race, ';')) > 3",
      "string_to_array(race, ';') && array['WHITE', 'ASIAN']",
      "coalesce(exit_date, entry_date) = entry_date",
      "nullif(first_name, '') is null",
      "greatest(entry_date, birth_date) is distinct from entry_date",
      "case when homeless then fte > 0 else fte = 1 end",
      "case grade_level when 'KG' then true else false end",
      "homeless is not true",
      "homeless is unknown",
      "mod(days_present * 2, 1) <> 0",
      "round(days_present, 1) <> days_present",
      "abs(days_present - 5.5) > 0.05",
      "days_present > -2 and days_present < -1.5 + 10",
      "num_nulls(entry_date, exit_date) = 1",
      "(entry_date, exit_date) overlaps (birth_date, birth_date + 1)",
      "first_name || ' ' || race = 'x y'",
      "first_name = 'O''Brien' or first_name = 'Zoë'",
      "(homeless or fte > 0) and not (homeless and fte = 1)",
      "homeless and (fte > 0 or fte < 1) or first_name is null",
      "- fte < 0 and - (fte - 1) > 0",
      "fte - (1 - fte) > 0 and fte / (2 / fte) > 1",
      "fte::numeric(5, 2) > 0 and cast(school_year as integer) = 2022",
      "replace(first_name, ' ', '') = ''",
      "regexp_replace(first_name, '[^A-Za-z]', '', 'g') <> first_name",
      "first_name = 'Snowy' or first_name = 'Nowak'",
      "split_part(race, ';', 1) = 'WHITE'",
      "fte in (" + Repeat("1,", 1'000) + "1)",
  };
  for (const std::string& text : cases) {
    const auto first = CheckExpression(text, Columns());
    ASSERT_TRUE(first.ok()) << text << ": " << first.status();
    const auto second = CheckExpression(*first, Columns());
    ASSERT_TRUE(second.ok()) << *first << ": " << second.status();
    EXPECT_EQ(*first, *second);
  }
}

TEST(CheckExpression, PrintsFromTheTree) {
  EXPECT_EQ(*CheckExpression("FTE>1   AND  \n homeless", Columns()), "fte > 1 AND homeless");
  EXPECT_EQ(*CheckExpression("(((fte)))=1", Columns()), "fte = 1");
}

TEST(CheckAggregate, AcceptsSumsAndShares) {
  const std::vector<std::string> cases = {
      "count(*)",
      "count(distinct student_uid)",
      "sum(days_present)",
      "sum(days_present) / nullif(sum(fte), 0)",
      "count(*) filter (where homeless and fte > 0)",
      "100.0 * count(*) filter (where homeless) / count(*)",
      "max(exit_date) - min(entry_date)",
      "round(avg(fte), 4)",
      "coalesce(sum(fte), 0)",
      "bool_or(homeless)",
  };
  for (const std::string& text : cases) {
    const auto first = CheckAggregate(text, Columns());
    ASSERT_TRUE(first.ok()) << text << ": " << first.status();
    EXPECT_EQ(*first, *CheckAggregate(*first, Columns()));
  }
}

TEST(CheckAggregate, RefusesOtherThings) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"fte", "outside an aggregate"},
      {"1", "without an aggregate"},
      {"sum(fte) + fte", "outside an aggregate"},
      {"sum(count(*))", "here the aggregate count"},
      {"string_agg(first_name, ',')", "the function string_agg"},
      {"array_agg(first_name)", "the function array_agg"},
      {"array_agg(first_name order by race)", "this form of call"},
      {"percentile_cont(0.5) within group (order by fte)", "this form of call"},
      {"sum(*)", "number of arguments"},
      {"count()", "number of arguments"},
      {"sum(password)", "an unknown column"},
      {"sum(fte) over (partition by race)", "a window function"},
      {"count(*) from enrollment", "anything but one expression"},
      {"sum((select 1))", "a sub-query"},
  };
  for (const auto& [text, what] : cases) {
    const auto checked = CheckAggregate(text, Columns());
    ASSERT_FALSE(checked.ok()) << text;
    EXPECT_THAT(RefusalOf(checked.status()).what, HasSubstr(what)) << text;
  }
}

TEST(CheckQuery, AcceptsOneSelectOverDatasets) {
  const std::vector<std::string> cases = {
      "select record_key from enrollment",
      "select e.record_key, e.fte from enrollment e where e.fte > 1",
      "select distinct e.record_key from enrollment e join attendance_event a "
      "on a.student_uid = e.student_uid and a.event_date < e.entry_date",
      "select e.record_key from enrollment e left join attendance_event a using (student_uid) "
      "where a.student_uid is null",
      "select record_key from enrollment e where not exists "
      "(select 1 from attendance_event a where a.student_uid = e.student_uid)",
      "select record_key from enrollment where student_uid in "
      "(select student_uid from enrollment group by student_uid having count(*) > 3)",
      "with busy as (select student_uid, count(*) as events from attendance_event "
      "group by student_uid) select e.record_key, busy.events from enrollment e, busy "
      "where busy.student_uid = e.student_uid and busy.events > 50",
      "with newest as materialized (select max(entry_date) as day from enrollment) "
      "select e.record_key from enrollment e join newest n on e.exit_date > n.day",
      "select record_key from enrollment except select record_key from attendance_event",
      "select e.record_key, r.code from enrollment e, unnest(string_to_array(e.race, ';')) r(code)",
      "select record_key from (select record_key, fte from enrollment) x where x.fte > "
      "(select avg(fte) from enrollment)",
  };
  for (const std::string& text : cases) {
    const auto first = CheckQuery(text, Datasets());
    ASSERT_TRUE(first.ok()) << text << ": " << first.status();
    const auto second = CheckQuery(first->sql, Datasets());
    ASSERT_TRUE(second.ok()) << first->sql << ": " << second.status();
    EXPECT_EQ(first->sql, second->sql);
    EXPECT_EQ(first->columns.front(), "record_key");
  }
}

TEST(CheckQuery, RefusesOtherThings) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "more or less than one"},
      {"select record_key from enrollment; select 1", "a second statement"},
      {"delete from enrollment", "a statement other than SELECT"},
      {"insert into enrollment select 1", "a statement other than SELECT"},
      {"copy enrollment to '/tmp/x'", "a statement other than SELECT"},
      {"do 'begin end'", "a statement other than SELECT"},
      {"set role postgres", "a statement other than SELECT"},
      {"explain analyze select 1", "a statement other than SELECT"},
      {"table enrollment", "*"},
      {"values (1)", "VALUES"},
      {"select * from enrollment", "*"},
      {"select e.* from enrollment e", "*"},
      {"select count(*) from enrollment", "without a name"},
      {"select record_key, record_key from enrollment", "twice"},
      {"select record_key into x from enrollment", "INTO"},
      {"select record_key from enrollment for update", "a lock"},
      {"select record_key from enrollment for share", "a lock"},
      {"select record_key from enrollment order by 1", "ORDER BY"},
      {"select record_key from enrollment limit 1", "LIMIT"},
      {"select record_key from enrollment offset 1", "LIMIT"},
      {"select record_key from registry.organization", "a name with a schema"},
      {"select record_key from dataset.enrollment", "a name with a schema"},
      {"select usename as record_key from pg_user", "system name"},
      {"select x as record_key from information_schema.tables", "a name with a schema"},
      {"select record_key from rules", "an unknown dataset rules"},
      {"select record_key from only enrollment", "ONLY"},
      {"select record_key from enrollment tablesample system (1)", "this kind of table"},
      {"with recursive t as (select 1 as a union all select a + 1 from t) select a from t",
       "a recursive query"},
      {"with t as (delete from enrollment returning 1) select 1 as a from t",
       "a statement other than SELECT"},
      {"with enrollment as (select 1 as record_key) select record_key from enrollment",
       "a second meaning"},
      {"select g.x as record_key from generate_series(1, 1000000000) g(x)", "gives rows"},
      {"select record_key from enrollment, lateral (select 1) x", "LATERAL"},
      {"select record_key from enrollment, rows from (unnest(array[1])) x", "LATERAL"},
      {"select unnest(string_to_array(race, ';')) as record_key from enrollment",
       "the function unnest"},
      {"select array(select record_key from enrollment) as record_key", "an array"},
      {"select row_number() over () as record_key from enrollment", "a window function"},
      {"select distinct on (fte) record_key from enrollment", "DISTINCT ON"},
      {"select record_key from enrollment natural join attendance_event", "this form of join"},
      {"select password as record_key from enrollment", "an unknown column"},
      {"select x.record_key from enrollment e", "an unknown table x"},
      {"select record_key from enrollment where pg_sleep(1) is null", "system name"},
      {"select record_key from enrollment where set_config('a', 'b', true) = ''",
       "the function set_config"},
      {"select record_key from enrollment group by grouping sets ((record_key))", "grouping sets"},
      {"select record_key as \"X\" from enrollment", "needs quotes"},
      {"select record_key from enrollment \"E\"", "needs quotes"},
      {"select record_key from enrollment -- x", "a comment"},
  };
  for (const auto& [text, what] : cases) {
    const auto checked = CheckQuery(text, Datasets());
    ASSERT_FALSE(checked.ok()) << text << " was accepted as " << checked->sql;
    EXPECT_THAT(RefusalOf(checked.status()).what, HasSubstr(what)) << text;
  }
}

std::string Many(const std::string& name, int times) {
  return "greatest(" + Repeat(name + ",", times) + "'')";
}

// `levels` queries by name, each of which uses the name of the one before `times` times.
std::string Tower(int levels, int times, const std::string& open, const std::string& between,
                  const std::string& close, const std::string& start = "student_uid") {
  std::string sql = "with q0 as (select record_key, " + start + " as c from enrollment)";
  for (int i = 1; i <= levels; ++i) {
    std::string uses = "c";
    for (int k = 1; k < times; ++k) uses += between + "c";
    sql += ", q" + std::to_string(i) + " as (select record_key, " + open + uses + close +
           " as c from q" + std::to_string(i - 1) + ")";
  }
  return sql + " select record_key from q" + std::to_string(levels) + " where c is not null";
}

TEST(CheckQuery, RefusesWhatNamesMultiply) {
  const std::string grown = "concat(c,c,c,c,c,c,c,c,c,c,c,c,c,c,c,c,c,c,c,c)";
  const std::vector<std::string> cases = {
      // 100 to the power of 4 values, or nodes of a plan.
      Tower(4, 100, "concat(", ",", ")"),
      Tower(4, 90, "concat_ws(',',", ",", ")"),
      Tower(4, 40, "", "||", ""),
      Tower(4, 100, "array[", ",", "]"),
      Tower(4, 100, "coalesce(", ",", ")"),
      Tower(4, 100, "greatest(", ",", ")"),
      Tower(4, 100, "num_nulls(", ",", ")"),
      Tower(4, 40, "", "+", "", "fte"),
      Tower(4, 40, "", "*", "", "fte"),
      Tower(4, 100, "case when true then concat(", ",", ") end"),
      Tower(4, 100, "(select concat(", ",", "))"),
      Tower(12, 4, "concat(", ",", ")"),
      // What stands between the others counts as often as it stands there.
      Tower(3, 1, "concat_ws(", "", "," + Repeat("'',", 60) + "'')"),
      Tower(3, 1, "replace(", "", ",'a','" + Repeat("x", 100) + "')"),
      Tower(3, 1, "regexp_replace(", "", ",'','" + Repeat("x", 100) + "','g')"),
      Tower(3, 1, "array_to_string(string_to_array(", "", ",null),'" + Repeat("x", 100) + "')"),
      // Other ways to a name: of a sub-query, of a column list, of a union, of a list of codes, of
      // the server (upper, and first_name of a CASE), of a row.
      "select record_key from (select record_key, " + grown + " as c from (select record_key, " +
          grown + " as c from (select record_key, " + grown +
          " as c from (select record_key, student_uid as c from enrollment) q1) q2) q3) q4 "
          "where c = ''",
      "with q(record_key, c) as (select record_key, student_uid from enrollment), q1(record_key, "
      "c) "
      "as (select record_key, " +
          grown + " from q), q2(record_key, c) as (select record_key, " + grown +
          " from q1), q3(record_key, c) as (select record_key, " + grown +
          " from q2) select record_key from q3 where c = ''",
      "with q1(record_key, c) as (select record_key, '' from enrollment union all select "
      "record_key, " +
          Many("student_uid", 400) + " from enrollment) select record_key from q1 where " +
          Many("c", 20) + " = ''",
      "with q1 as (select record_key, student_uid as c from enrollment), q2 as (select record_key, "
      "u.c "
      "from q1, unnest(array[" +
          grown +
          "]) u(c)), q3 as (select record_key, u.c from q2, "
          "unnest(array[" +
          grown + "]) u(c)) select u.c as record_key from q3, unnest(array[" + grown + "]) u(c)",
      "with q1 as (select record_key, case when true then " + Many("student_uid", 400) +
          " else student_uid end from enrollment) select record_key from q1 where " +
          Many("student_uid", 20) + " = ''",
      "with q as (select record_key, " + Many("student_uid", 400) +
          " as t from enrollment) select record_key from q t where concat(" + Repeat("t,", 20) +
          "'') = ''",
      // In one sub-query of an expression after the other.
      "select record_key from enrollment where '' = (select concat(" + Repeat("c,", 80) +
          "'') from (select concat(" + Repeat("c,", 80) +
          "'') as c from (select student_uid as c) q1) q2)",
  };
  for (const std::string& text : cases) {
    const auto checked = CheckQuery(text, Datasets());
    ASSERT_FALSE(checked.ok()) << text;
    EXPECT_THAT(RefusalOf(checked.status()).what, HasSubstr("names are written out")) << text;
  }
}

TEST(CheckQuery, AcceptsWhatNamesHold) {
  const std::vector<std::string> cases = {
      Tower(1, 100, "concat(", ",", ")"),
      Tower(2, 20, "concat(", ",", ")"),
      Tower(50, 1, "upper(", "", ")"),
      Tower(1, 1, "replace(", "", ",'-','')"),
      "with keys as (select record_key, student_uid || '/' || school_id as key from enrollment), "
      "busy as (select key, count(*) as n from keys group by key having count(*) > 1) "
      "select k.record_key, k.key, b.n from keys k join busy b on b.key = k.key "
      "where k.key <> '' and length(k.key) < 50",
      "with a as (select record_key, upper(student_uid) as student_uid from enrollment), "
      "b as (select record_key, btrim(student_uid) as student_uid from a) "
      "select record_key from b where student_uid like 'X%' or student_uid = ''",
  };
  for (const std::string& text : cases) {
    const auto checked = CheckQuery(text, Datasets());
    EXPECT_TRUE(checked.ok()) << text << ": " << checked.status();
  }
}

TEST(CheckWrittenOut, CountsTheNamesOfOthers) {
  const std::string many = "max(" + Many("race", 90) + ")";
  EXPECT_TRUE(CheckWrittenOut("m = '' AND n > 1", {{"m", many}, {"n", "count(*)"}}).ok());
  EXPECT_TRUE(CheckWrittenOut("m = " + Many("school_id", 100), {{"m", many}}).ok());
  const absl::Status refused = CheckWrittenOut("'' = " + Many("m", 100), {{"m", many}});
  EXPECT_THAT(RefusalOf(refused).what, HasSubstr("names are written out"));
}

TEST(ParseExpression, KeepsSigns) {
  const auto node = ParseExpression("fte > -2");
  ASSERT_TRUE(node.ok());
  EXPECT_EQ(node->a_expr().rexpr().a_const().ival().ival(), -2);
}

TEST(CheckExpression, WorksFromManyThreads) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([] {
      for (int k = 0; k < 50; ++k) {
        EXPECT_TRUE(CheckExpression("fte > 1 and homeless", Columns()).ok());
        EXPECT_FALSE(CheckExpression("pg_sleep(1) is null", Columns()).ok());
        EXPECT_FALSE(CheckExpression("fte > > 1", Columns()).ok());
      }
    });
  }
}

}  // namespace
}  // namespace edcert::validation_report
