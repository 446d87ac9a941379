#include "services/validation_report/report_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "common/names/names.h"
#include "common/render/report.h"
#include "common/render/writer.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/validation_report/definition_store.h"
#include "services/validation_report/root_cause.h"

namespace edcert::validation_report {
namespace {

constexpr std::size_t kMaxCompiledGroups = 64;
constexpr std::size_t kShownCausesPerRule = 10;

render::Severity ToRender(Severity severity) {
  return static_cast<render::Severity>(static_cast<int>(Severity::kFatal) -
                                       static_cast<int>(severity));
}
static_assert(static_cast<int>(render::Severity::kFatal) == 0);
static_assert(static_cast<int>(render::Severity::kInfo) == 3);

render::Outcome ToRender(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return render::Outcome::kPass;
    case Outcome::kFail:
      return render::Outcome::kFail;
    case Outcome::kError:
      break;
  }
  return render::Outcome::kError;
}

render::Format FormatOf(ReportFormat format) {
  switch (format) {
    case ReportFormat::kHtml:
      return render::Format::kHtml;
    case ReportFormat::kCsv:
      return render::Format::kCsv;
    case ReportFormat::kPdf:
      return render::Format::kPdf;
    case ReportFormat::kXlsx:
      return render::Format::kXlsx;
    case ReportFormat::kJson:
      return render::Format::kJson;
    case ReportFormat::kCsvExact:
      break;
  }
  return render::Format::kCsvExact;
}

std::string CopyWords(const Report& report) {
  switch (report.kind) {
    case ReportKind::kDistrictData:
      return "District copy";
    case ReportKind::kStateData:
      return "State copy";
    case ReportKind::kSnapshot:
      break;
  }
  return report.snapshot;
}

// What rules call the records of last year that these are.
std::string NameInRules(const ReportDataVersion& last_year) {
  return std::string(kLastYear) + last_year.dataset;
}

// The rows of a version: those of the district, or of the school that the report is about.
std::string RowsOf(const Report& report, const Definition& definition, std::string_view copy,
                   const std::string& district, int64_t version) {
  const std::string organization = IdOf(report.organization);
  return RowsOfSlice(definition, {.copy = copy,
                                  .district = district,
                                  .version = version,
                                  .school = organization == district ? "" : organization});
}

// The rows of last year that the rules name.
void AddLastYear(const Report& report, const Definitions& definitions, RowSources& sources) {
  const LastYear& last_year = report.last_year;
  for (const auto& [dataset, definition] : definitions) {
    if (IsLastYear(dataset)) sources[dataset] = NoRows(definition);
  }
  const std::string district = IdOf(last_year.district);
  for (const ReportDataVersion& version : last_year.data_versions) {
    const std::string dataset = NameInRules(version);
    const auto definition = definitions.find(dataset);
    if (definition == definitions.end()) continue;
    sources[dataset] = RowsOf(report, definition->second, "STATE", district, version.version);
  }
}

// What organisations are called, by id.
using OrganizationNames = std::map<std::string, std::string>;

// Empty for one that the district does not have: then its id is all there is to say.
std::string NameOf(const OrganizationNames& names, const std::string& organization) {
  const auto it = names.find(organization);
  return it == names.end() ? "" : it->second;
}

std::vector<render::SchoolCount> SchoolsOf(const std::vector<RanRule>& rules,
                                           const OrganizationNames& names) {
  std::map<std::string, render::SchoolCount> schools;
  for (const RanRule& rule : rules) {
    for (const auto& [school, findings] : rule.result.schools) {
      if (school.empty()) continue;
      render::SchoolCount& count = schools[school];
      count.school_id = school;
      count.school_name = NameOf(names, school);
      count.findings.at(static_cast<std::size_t>(ToRender(rule.severity))) += findings;
    }
  }
  std::vector<render::SchoolCount> counts;
  for (auto& [school, count] : schools) counts.push_back(std::move(count));
  return counts;
}

// Counts what became of findings since the run before; what a list that was cut may hide, nobody
// can tell.
void AddChanges(const RuleResult& result, render::RuleResult& rule) {
  if (result.outcome == Outcome::kError || result.truncated()) return;
  rule.regressed_findings = result.changes[FindingChange::kRegressed];
  rule.fixed_findings = result.changes[FindingChange::kFixed];
  // Of what that run cut off, some may have been there.
  if (result.changes[FindingChange::kUnknown] > 0) return;
  rule.new_findings = result.changes[FindingChange::kNew];
}

render::Change ToRender(FindingChange change) {
  switch (change) {
    case FindingChange::kNew:
      return render::Change::kNew;
    case FindingChange::kOpen:
      return render::Change::kOpen;
    case FindingChange::kRegressed:
      return render::Change::kRegressed;
    case FindingChange::kFixed:
    case FindingChange::kUnknown:
      break;
  }
  return render::Change::kUnknown;
}

// Says what was compared with, also that there was nothing.
void AddLastYear(const Report& report, const Definitions& definitions,
                 render::ReportHeader& header) {
  for (const auto& [dataset, definition] : definitions) {
    if (!IsLastYear(dataset)) continue;
    render::DataVersion data{.dataset = dataset, .copy = "Nothing certified", .tested = false};
    for (const ReportDataVersion& version : report.last_year.data_versions) {
      if (NameInRules(version) != dataset) continue;
      data.copy = report.last_year.snapshot;
      data.version = version.version;
      data.rows = version.rows;
    }
    header.data_versions.push_back(std::move(data));
  }
}

// What is rendered, and where each rule of the header is in the run.
struct Page {
  render::ReportHeader header;
  std::map<std::string, const RanRule*> by_code;
};

Page PageOf(const Report& report, const std::vector<RanRule>& rules,
            const std::map<std::string, const RuleContent*>& contents,
            const Definitions& definitions, const OrganizationNames& names, absl::Time now,
            absl::TimeZone zone) {
  Page page;
  render::ReportHeader& header = page.header;
  header.report = report.name();
  header.organization_display_name = report.organization_display_name;
  header.organization = report.organization;
  header.event = report.event;
  header.event_title = report.event_title;
  header.kind = WordsOf(report.kind);
  header.requested_by = report.requester;
  header.generated_at = now;
  header.time_zone = zone;
  header.time_zone_text = zone.name();
  header.rule_group = names::RuleGroupName::FromId(report.rule_group).ToString();
  header.rule_group_title = report.rule_group_title;
  header.rule_group_version = report.rule_group_version;
  std::map<std::string, int64_t> rows;
  for (const ReportDataVersion& version : report.data_versions) {
    rows[version.dataset] = version.rows;
    header.data_versions.push_back(
        {version.dataset, CopyWords(report), version.version, version.rows});
  }
  AddLastYear(report, definitions, header);
  for (const RanRule& rule : rules) {
    const RuleContent& content = *contents.at(rule.code);
    page.by_code[rule.code] = &rule;
    const RuleResult& result = rule.result;
    header.rules.push_back({.code = rule.code,
                            .dataset = rule.dataset,
                            .title = content.title,
                            .meaning = content.meaning,
                            .severity = ToRender(rule.severity),
                            .outcome = ToRender(result.outcome),
                            .tested = result.outcome == Outcome::kError ? 0 : rows[rule.dataset],
                            .findings = result.findings,
                            .stored = static_cast<int64_t>(result.stored.size()),
                            .truncated = result.truncated(),
                            .suggested_fix = content.suggested_fix,
                            .error_reason = result.error});
    if (!report.previous_report.empty()) AddChanges(result, header.rules.back());
  }
  render::SortRules(header.rules);
  header.schools = SchoolsOf(rules, names);
  return page;
}

// The waivers in force of a finding, by their places; none when it blocks, or would not anyway.
const std::vector<std::size_t>& WaiversOf(const WaiverStore::InForce& waived, Severity severity,
                                          const Finding& finding) {
  static const std::vector<std::size_t> kNone;
  if (severity != Severity::kFatal || waived.findings.empty()) return kNone;
  const auto it = waived.findings.find(finding.fingerprint);
  return it == waived.findings.end() ? kNone : it->second;
}

// The day on which the last of these waivers ends; empty when there is none.
std::string EndOf(const WaiverStore::InForce& waived, const std::vector<std::size_t>& places) {
  if (places.empty()) return "";
  absl::CivilDay until = waived.waivers.at(places.front()).until;
  for (const std::size_t place : places) until = std::max(until, waived.waivers.at(place).until);
  return absl::FormatCivilTime(until);
}

// Lists all waivers in force, and takes what they are about from what is counted.
void AddWaivers(const WaiverStore::InForce& waived, const std::vector<RanRule>& rules, Page& page) {
  std::vector<int64_t> by_waiver(waived.waivers.size());
  std::map<std::string, int64_t> by_rule;
  for (const RanRule& rule : rules) {
    for (const Finding& finding : rule.result.stored) {
      const std::vector<std::size_t>& places = WaiversOf(waived, rule.severity, finding);
      for (const std::size_t place : places) ++by_waiver.at(place);
      if (!places.empty()) ++by_rule[rule.code];
    }
  }
  for (render::RuleResult& rule : page.header.rules) rule.waived = by_rule[rule.code];
  for (std::size_t i = 0; i < waived.waivers.size(); ++i) {
    const Waiver& waiver = waived.waivers[i];
    page.header.waivers.push_back(
        {.rule_code = waiver.rule_code,
         .findings = by_waiver[i],
         .until = absl::FormatCivilTime(waiver.until),
         .reason = waiver.reason,
         .people = fmt::format("{}, {}", waiver.asked_by, waiver.confirmed_by)});
  }
}

// Counts the records that have findings, of each severity whose rules list them all.
void AddRecords(const WaiverStore::InForce& waived, const std::vector<RanRule>& rules, Page& page) {
  for (const render::Severity severity : render::kSeverities) {
    absl::flat_hash_set<std::pair<std::string_view, std::string_view>> records;
    bool all = true;
    for (const RanRule& rule : rules) {
      if (ToRender(rule.severity) != severity) continue;
      all = all && !rule.result.truncated();
      for (const Finding& finding : rule.result.stored) {
        if (!WaiversOf(waived, rule.severity, finding).empty()) continue;
        records.emplace(rule.dataset, finding.record_key);
      }
    }
    if (!all) continue;
    page.header.records.at(static_cast<std::size_t>(severity)) =
        static_cast<int64_t>(records.size());
  }
}

// The newest of what was said to the findings of each group of a rule, by the group's place.
std::vector<const Explanation*> ExplanationsOf(const GivenExplanations& given,
                                               const RuleResult& result) {
  std::vector<const Explanation*> explanations(result.groups.size());
  const auto take = [&](std::size_t group, const std::string& fingerprint) {
    const Explanation* said = given.Of(fingerprint);
    const Explanation*& newest = explanations[group];
    if (said != nullptr && (newest == nullptr || newest->created_at < said->created_at)) {
      newest = said;
    }
  };
  for (const Finding& finding : result.stored) take(finding.group, finding.fingerprint);
  for (std::size_t i = 0; i < result.groups.size(); ++i) {
    if (result.groups[i].size == 0) take(i, FingerprintOfError(result.groups[i].id));
  }
  return explanations;
}

// Lists the groups that say something: several findings with a cause, or an explanation.
void AddCauses(const GivenExplanations& given, absl::TimeZone zone, Page& page) {
  for (const render::RuleResult& each : page.header.rules) {
    const RuleResult& result = page.by_code.at(each.code)->result;
    const std::vector<const Explanation*> explanations = ExplanationsOf(given, result);
    std::size_t shown = 0;
    for (std::size_t i = 0; i < result.groups.size() && shown < kShownCausesPerRule; ++i) {
      const FindingGroup& group = result.groups[i];
      const bool is_cause = group.size > 1 && !group.cause.empty();
      if (!is_cause && explanations[i] == nullptr) continue;
      render::Cause& cause = page.header.causes.emplace_back();
      cause.rule_code = each.code;
      cause.findings = group.size;
      cause.description = group.description;
      if (explanations[i] != nullptr) {
        cause.explanation = explanations[i]->text;
        cause.author = explanations[i]->author;
        cause.explained_on =
            absl::FormatCivilTime(absl::ToCivilDay(explanations[i]->created_at, zone));
      }
      ++shown;
    }
  }
}

absl::Status Render(render::ReportWriter& writer, const Page& page, const OrganizationNames& names,
                    const WaiverStore::InForce& waived) {
  RETURN_IF_ERROR(writer.Begin(page.header));
  for (const render::RuleResult& each : page.header.rules) {
    const RanRule& rule = *page.by_code.at(each.code);
    for (const Finding& found : rule.result.stored) {
      render::Finding finding;
      finding.rule_code = rule.code;
      finding.severity = each.severity;
      finding.dataset = rule.dataset;
      finding.record_key = found.record_key;
      finding.school_id = found.school;
      finding.school_name = NameOf(names, found.school);
      finding.message = found.message;
      finding.waived_until = EndOf(waived, WaiversOf(waived, rule.severity, found));
      if (page.header.previous) finding.change = ToRender(found.change);
      for (const auto& [name, value] : found.fields) finding.fields.push_back({name, value});
      RETURN_IF_ERROR(writer.Add(finding));
    }
  }
  return writer.End();
}

}  // namespace

RowSources SourcesOf(const Report& report, const Definitions& definitions) {
  const std::string district = IdOf(report.district);
  RowSources sources;
  for (const ReportDataVersion& version : report.data_versions) {
    const auto definition = definitions.find(version.dataset);
    if (definition == definitions.end()) continue;
    sources[version.dataset] =
        RowsOf(report, definition->second, CopyOf(report.kind), district, version.version);
  }
  AddLastYear(report, definitions, sources);
  return sources;
}

absl::StatusOr<const CompiledGroup*> ReportBuilder::GroupOf(pg::Database& db,
                                                            const Report& report) {
  const std::pair key(report.rule_group, report.rule_group_version);
  if (const auto it = compiled_.find(key); it != compiled_.end()) return &it->second;
  ASSIGN_OR_RETURN(std::vector<MemberContent> contents,
                   groups_.Contents(db, report.rule_group, report.rule_group_version));
  std::set<std::string> datasets;
  for (const MemberContent& each : contents) {
    datasets.insert(each.content.datasets.begin(), each.content.datasets.end());
  }
  CompiledGroup group;
  ASSIGN_OR_RETURN(group.definitions, ReadDefinitions(db, {datasets.begin(), datasets.end()}));
  for (MemberContent& each : contents) {
    absl::StatusOr<CompiledRule> rule =
        CompileRule(each.member.rule, each.member.version, each.content, group.definitions,
                    each.member.parameter_values);
    group.candidates.push_back(
        rule.ok() ? Candidate{.rule = std::make_shared<const CompiledRule>(*std::move(rule))}
                  : Candidate{.problem = status::ReasonOf(rule.status())});
    each.content.meaning += ValuesInWords(each.content, each.member.parameter_values);
    group.members.push_back(each.member);
    group.contents.push_back(std::move(each.content));
  }
  if (compiled_.size() >= kMaxCompiledGroups) compiled_.clear();
  return &(compiled_[key] = std::move(group));
}

absl::StatusOr<BackgroundCounts> ReportBuilder::Count(
    pg::Database db, const Report& report,
    absl::FunctionRef<absl::Status(int64_t, int64_t)> progress) {
  ASSIGN_OR_RETURN(const CompiledGroup* group, GroupOf(db, report));
  BackgroundCounts counted{.rule_group_version = report.rule_group_version,
                           .severity_day = report.severity_day,
                           .data_versions = report.data_versions};
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < group->members.size(); ++i) {
    const RuleContent& content = group->contents[i];
    if (std::any_of(content.datasets.begin(), content.datasets.end(), IsLastYear)) {
      ++counted.left_out;
      continue;
    }
    candidates.push_back(group->candidates[i]);
    counted.rules.push_back({.rule = group->members[i].rule,
                             .version = group->members[i].version,
                             .code = content.code,
                             .severity = SeverityOn(group->members[i], report.severity_day),
                             .dataset = content.dataset()});
  }
  const auto total = static_cast<int64_t>(candidates.size());
  ASSIGN_OR_RETURN(
      Evaluation evaluation,
      evaluator_.Evaluate({.organization = report.organization,
                           .district = IdOf(report.district),
                           .rules = std::move(candidates),
                           .definitions = group->definitions,
                           .sources = SourcesOf(report, group->definitions),
                           .progress = [&](int64_t done) { return progress(done, total); },
                           .counts_only = true},
                          db.deadline()));
  for (ReportDataVersion& version : counted.data_versions) {
    version.rows = evaluation.rows[version.dataset];
  }
  for (std::size_t i = 0; i < counted.rules.size(); ++i) {
    counted.rules[i].result = std::move(evaluation.results[i]);
  }
  SortForFindings(counted.rules);
  return counted;
}

absl::StatusOr<BuiltReport> ReportBuilder::Build(
    pg::Database db, const Report& report, absl::Time now,
    absl::FunctionRef<absl::Status(int64_t, int64_t)> progress, render::Sink& file) {
  ASSIGN_OR_RETURN(const CompiledGroup* group, GroupOf(db, report));
  const auto total = static_cast<int64_t>(group->candidates.size());
  ASSIGN_OR_RETURN(
      Evaluation evaluation,
      evaluator_.Evaluate({.organization = report.organization,
                           .district = IdOf(report.district),
                           .rules = group->candidates,
                           .definitions = group->definitions,
                           .sources = SourcesOf(report, group->definitions),
                           .progress = [&](int64_t done) { return progress(done, total); }},
                          db.deadline()));

  BuiltReport built{.report = report, .result = {}, .rules = {}, .comparison = {}};
  for (ReportDataVersion& version : built.report.data_versions) {
    version.rows = evaluation.rows[version.dataset];
  }
  for (ReportDataVersion& version : built.report.last_year.data_versions) {
    version.rows = evaluation.rows[NameInRules(version)];
  }
  std::map<std::string, const RuleContent*> contents;
  for (std::size_t i = 0; i < group->members.size(); ++i) {
    const RuleContent& content = group->contents[i];
    contents[content.code] = &content;
    built.rules.push_back({.rule = group->members[i].rule,
                           .version = group->members[i].version,
                           .code = content.code,
                           .severity = SeverityOn(group->members[i], report.severity_day),
                           .dataset = content.dataset(),
                           .result = std::move(evaluation.results[i])});
    built.result.truncated |= built.rules.back().result.truncated();
    GroupByCause(content, report.organization, built.rules.back().result);
  }
  SortForFindings(built.rules);
  ASSIGN_OR_RETURN(built.comparison, findings_.Compare(db, built.report, built.rules));
  built.report.previous_report = built.comparison.previous_report();
  built.result.counts = CountBySeverity(built.rules);
  built.result.changes = ChangesBySeverity(built.rules);

  ASSIGN_OR_RETURN(const WaiverStore::InForce waived,
                   waivers_.ReadInForce(db, report.event, report.organization));
  ASSIGN_OR_RETURN(const OrganizationNames names, reports_.ReadNames(db, built.report));
  Page page =
      PageOf(built.report, built.rules, contents, group->definitions, names, now, time_zone_);
  if (const std::string& previous = built.report.previous_report; !previous.empty()) {
    ASSIGN_OR_RETURN(const absl::Time ended_at, reports_.ReadEnd(db, previous));
    page.header.previous = {"reports/" + previous, ended_at};
  }
  AddWaivers(waived, built.rules, page);
  AddRecords(waived, built.rules, page);
  ASSIGN_OR_RETURN(const GivenExplanations given,
                   explanations_.ReadGiven(db, report.event, report.organization));
  AddCauses(given, time_zone_, page);
  Sha256 digest;
  render::FunctionSink sink([&](std::string_view chunk) {
    digest.Add(chunk);
    built.result.size += static_cast<int64_t>(chunk.size());
    return file.Write(chunk);
  });
  const render::Format format = FormatOf(report.format);
  RETURN_IF_ERROR(Render(*render::MakeWriter(format, sink), page, names, waived));
  built.result.sha256 = digest.Hex();
  built.result.media_type = render::MediaType(format);
  built.result.file_name = render::FileName(
      format,
      {report.event_title, report.organization_display_name, std::string(WordsOf(report.kind))});
  return built;
}

}  // namespace edcert::validation_report
