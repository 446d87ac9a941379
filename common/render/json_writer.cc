#include "common/render/json_writer.h"

#include <optional>

#include "absl/time/time.h"
#include "common/render/escape.h"
#include "common/render/words.h"
#include "fmt/format.h"

namespace edcert::render {
namespace {

// Goes up when a member changes its meaning or goes away; not when one is added.
constexpr std::string_view kSchema = "edcert.report/2";

// Writes the members of one object on one line.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_.push_back('{'); }
  void Close() { out_.push_back('}'); }

  Object& Text(std::string_view name, std::string_view value) {
    Name(name);
    AppendJsonString(value, out_);
    return *this;
  }
  Object& Number(std::string_view name, std::optional<int64_t> value) {
    Name(name);
    out_.append(value.has_value() ? fmt::to_string(*value) : "null");
    return *this;
  }
  Object& Flag(std::string_view name, bool value) {
    return Literal(name, value ? "true" : "false");
  }
  Object& Literal(std::string_view name, std::string_view value) {
    Name(name);
    out_.append(value);
    return *this;
  }
  // The value is appended by the caller.
  Object& Name(std::string_view name) {
    if (!first_) out_.push_back(',');
    first_ = false;
    AppendJsonString(name, out_);
    out_.push_back(':');
    return *this;
  }

 private:
  std::string& out_;
  bool first_ = true;
};

std::string Moment(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

void AppendFields(const std::vector<Field>& fields, std::string& out) {
  Object object(out);
  for (const Field& field : fields) object.Text(field.name, field.value);
  object.Close();
}

}  // namespace

JsonWriter::JsonWriter(Sink& sink) : ReportWriter(sink) {}

void JsonWriter::Send() {
  output().Append(text_);
  text_.clear();
}

template <typename Items, typename Write>
void JsonWriter::List(std::string_view name, const Items& items, Write write) {
  AppendJsonString(name, text_);
  text_.append(": [");
  std::string_view before = "\n";
  for (const auto& item : items) {
    text_.append(before);
    write(item);
    before = ",\n";
  }
  text_.append("\n],\n");
}

void JsonWriter::WriteHeader() {
  Facts();
  DataVersions();
  Severities();
  Rules();
  Schools();
  Waivers();
  Causes();
  text_.append("\"findings\": [");
  Send();
}

void JsonWriter::Facts() {
  text_.append("{\n");
  const auto line = [&](std::string_view name, std::string_view value) {
    AppendJsonString(name, text_);
    text_.append(": ");
    AppendJsonString(value, text_);
    text_.append(",\n");
  };
  line("schema", kSchema);
  line("report", header().report);
  line("organization", header().organization);
  line("organization_display_name", header().organization_display_name);
  line("event", header().event);
  line("event_title", header().event_title);
  line("kind", header().kind);
  line("rule_group", header().rule_group);
  line("rule_group_title", header().rule_group_title);
  fmt::format_to(std::back_inserter(text_), "\"rule_group_version\": {},\n",
                 header().rule_group_version);
  line("requested_by", header().requested_by);
  line("generated_at", Moment(header().generated_at));
  line("time_zone", header().time_zone_text);
  const auto& previous = header().previous;
  line("previous_report", previous ? previous->report : "");
  line("previous_ended_at", previous ? Moment(previous->ended_at) : "");
  line("verdict", VerdictCode(VerdictOf(TotalsOf(header()))));
  line("verdict_text", WordsOf(header()).sentence);
}

void JsonWriter::DataVersions() {
  List("data_versions", header().data_versions, [&](const DataVersion& data) {
    Object(text_)
        .Text("dataset", data.dataset)
        .Text("copy", data.copy)
        .Number("version", data.version)
        .Number("records", data.rows)
        .Close();
  });
}

void JsonWriter::Severities() {
  const SeverityTotals totals = TotalsOf(header());
  List("severities", kSeverities, [&](const Severity severity) {
    const auto index = static_cast<size_t>(severity);
    Object(text_)
        .Text("severity", SeverityCode(severity))
        .Number("rules", totals[index].rules_tested)
        .Number("rules_failed", totals[index].rules_failed)
        .Number("rules_errored", totals[index].rules_errored)
        .Number("findings", totals[index].findings)
        .Number("records", header().records[index])
        .Number("new_findings", totals[index].new_findings)
        .Number("regressed_findings", totals[index].regressed_findings)
        .Number("fixed_findings", totals[index].fixed_findings)
        .Close();
  });
}

void JsonWriter::Rules() {
  List("rules", header().rules, [&](const RuleResult& rule) {
    Object(text_)
        .Text("code", rule.code)
        .Text("dataset", rule.dataset)
        .Text("title", rule.title)
        .Text("meaning", rule.meaning)
        .Text("severity", SeverityCode(rule.severity))
        .Text("outcome", OutcomeCode(rule.outcome))
        .Number("records_tested", rule.tested)
        .Number("findings", rule.findings)
        .Number("findings_listed", rule.stored)
        .Flag("truncated", rule.truncated)
        .Number("waived", rule.waived)
        .Number("new_findings", rule.new_findings)
        .Number("regressed_findings", rule.regressed_findings)
        .Number("fixed_findings", rule.fixed_findings)
        .Text("suggested_fix", rule.suggested_fix)
        .Text("error", rule.error_reason)
        .Close();
  });
}

void JsonWriter::Schools() {
  List("schools", header().schools, [&](const SchoolCount& school) {
    Object object(text_);
    object.Text("id", school.school_id).Text("display_name", school.school_name).Name("findings");
    Object counts(text_);
    for (const Severity severity : kSeverities) {
      counts.Number(SeverityCode(severity), school.findings[static_cast<size_t>(severity)]);
    }
    counts.Close();
    object.Close();
  });
}

void JsonWriter::Waivers() {
  List("waivers", header().waivers, [&](const Waiver& waiver) {
    Object(text_)
        .Text("rule", waiver.rule_code)
        .Number("findings", waiver.findings)
        .Text("until", waiver.until)
        .Text("reason", waiver.reason)
        .Text("people", waiver.people)
        .Close();
  });
}

void JsonWriter::Causes() {
  List("causes", header().causes, [&](const Cause& cause) {
    Object(text_)
        .Text("rule", cause.rule_code)
        .Number("findings", cause.findings)
        .Text("description", cause.description)
        .Text("explanation", cause.explanation)
        .Text("author", cause.author)
        .Text("explained_on", cause.explained_on)
        .Close();
  });
}

void JsonWriter::BeginRule(const RuleResult& /*rule*/, size_t /*index*/) {}

void JsonWriter::WriteFinding(const Finding& finding, const RuleResult& /*rule*/) {
  text_.append(listed_ == 0 ? "\n" : ",\n");
  ++listed_;
  Object object(text_);
  object.Text("rule", finding.rule_code)
      .Text("severity", SeverityCode(finding.severity))
      .Text("dataset", finding.dataset)
      .Text("record_key", finding.record_key)
      .Text("school", finding.school_id)
      .Text("school_display_name", finding.school_name)
      .Text("message", finding.message)
      .Text("change", ChangeCode(finding.change))
      .Text("waived_until", finding.waived_until)
      .Name("fields");
  AppendFields(finding.fields, text_);
  object.Close();
  Send();
}

void JsonWriter::EndRule(const RuleResult& /*rule*/) {}

void JsonWriter::WriteFooter() {
  fmt::format_to(std::back_inserter(text_), "\n],\n\"findings_listed\": {}\n}}\n", listed_);
  Send();
}

}  // namespace edcert::render
