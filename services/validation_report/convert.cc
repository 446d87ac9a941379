#include "services/validation_report/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/names/names.h"
#include "common/rpc/standard.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace edcert::validation_report {
namespace {

static_assert(static_cast<int>(Severity::kFatal) == type::SEVERITY_FATAL);
static_assert(static_cast<int>(Severity::kInfo) == type::SEVERITY_INFO);
static_assert(static_cast<int>(RuleState::kArchived) == v1::Rule::ARCHIVED);
static_assert(static_cast<int>(ParameterType::kBool) == v1::Rule::Parameter::BOOL);
static_assert(static_cast<int>(GroupState::kInactive) == v1::RuleGroup::INACTIVE);
static_assert(static_cast<int>(ReportState::kExpired) == v1::Report::EXPIRED);
static_assert(static_cast<int>(ReportKind::kSnapshot) == v1::REPORT_KIND_SNAPSHOT);
static_assert(static_cast<int>(ReportFormat::kCsv) == v1::REPORT_FORMAT_CSV);
static_assert(static_cast<int>(ReportFormat::kCsvExact) == v1::REPORT_FORMAT_CSV_EXACT);
static_assert(static_cast<int>(GroupLevel::kSchool) == type::LEVEL_SCHOOL);

constexpr absl::Duration kStartGrain = absl::Seconds(10);

std::string DatasetName(const std::string& id) { return names::DatasetName::FromId(id).ToString(); }

absl::StatusOr<Severity> SeverityOf(type::Severity severity, std::string_view field) {
  if (severity < 0 || severity > static_cast<int>(Severity::kFatal)) {
    return status::FieldInvalid(field, "unknown value");
  }
  return static_cast<Severity>(severity);
}

template <typename Repeated>
std::vector<std::string> Texts(const Repeated& texts) {
  return {texts.begin(), texts.end()};
}

template <typename Range, typename Repeated>
void Assign(const Range& from, Repeated* to) {
  to->Assign(from.begin(), from.end());
}

template <typename Map>
ValuesByName ValuesOf(const Map& values) {
  return {values.begin(), values.end()};
}

absl::StatusOr<RuleKind> KindOf(const v1::Rule& rule) {
  switch (rule.kind_case()) {
    case v1::Rule::kRow:
      return RowRule{rule.row().expression()};
    case v1::Rule::kUnique:
      return UniqueRule{Texts(rule.unique().columns()), rule.unique().condition()};
    case v1::Rule::kReference: {
      const v1::ReferenceRule& reference = rule.reference();
      ASSIGN_OR_RETURN(const names::DatasetName dataset,
                       names::DatasetName::Parse(reference.dataset(), "rule.reference.dataset"));
      ReferenceRule::Mode mode = ReferenceRule::Mode::kUnspecified;
      if (reference.mode() == v1::ReferenceRule::MUST_EXIST) {
        mode = ReferenceRule::Mode::kMustExist;
      } else if (reference.mode() == v1::ReferenceRule::MUST_NOT_EXIST) {
        mode = ReferenceRule::Mode::kMustNotExist;
      }
      return ReferenceRule{dataset.id(), Texts(reference.columns()),
                           Texts(reference.other_columns()), reference.condition(), mode};
    }
    case v1::Rule::kOverlap:
      return OverlapRule{Texts(rule.overlap().partition_columns()), rule.overlap().from_column(),
                         rule.overlap().to_column(), rule.overlap().tolerance_days(),
                         rule.overlap().condition()};
    case v1::Rule::kAggregate: {
      AggregateRule aggregate{
          Texts(rule.aggregate().group_columns()), {}, rule.aggregate().expression()};
      for (const auto& each : rule.aggregate().aggregates()) {
        aggregate.aggregates.push_back({each.name(), each.expression()});
      }
      return aggregate;
    }
    case v1::Rule::kQuery:
      return QueryRule{rule.query().sql()};
    case v1::Rule::KIND_NOT_SET:
      break;
  }
  return RuleKind();
}

struct KindWriter {
  v1::Rule& rule;

  void operator()(const std::monostate&) const {}
  void operator()(const RowRule& row) const { rule.mutable_row()->set_expression(row.expression); }
  void operator()(const UniqueRule& unique) const {
    Assign(unique.columns, rule.mutable_unique()->mutable_columns());
    rule.mutable_unique()->set_condition(unique.condition);
  }
  void operator()(const ReferenceRule& reference) const {
    v1::ReferenceRule* out = rule.mutable_reference();
    out->set_dataset(DatasetName(reference.dataset));
    Assign(reference.columns, out->mutable_columns());
    Assign(reference.other_columns, out->mutable_other_columns());
    out->set_condition(reference.condition);
    out->set_mode(reference.mode == ReferenceRule::Mode::kMustExist
                      ? v1::ReferenceRule::MUST_EXIST
                      : v1::ReferenceRule::MUST_NOT_EXIST);
  }
  void operator()(const OverlapRule& overlap) const {
    v1::OverlapRule* out = rule.mutable_overlap();
    Assign(overlap.partition_columns, out->mutable_partition_columns());
    out->set_from_column(overlap.from_column);
    out->set_to_column(overlap.to_column);
    out->set_tolerance_days(overlap.tolerance_days);
    out->set_condition(overlap.condition);
  }
  void operator()(const AggregateRule& aggregate) const {
    v1::AggregateRule* out = rule.mutable_aggregate();
    Assign(aggregate.group_columns, out->mutable_group_columns());
    for (const AggregateRule::Aggregate& each : aggregate.aggregates) {
      v1::AggregateRule::Aggregate* figure = out->add_aggregates();
      figure->set_name(each.name);
      figure->set_expression(each.expression);
    }
    out->set_expression(aggregate.expression);
  }
  void operator()(const QueryRule& query) const { rule.mutable_query()->set_sql(query.sql); }
};

absl::StatusOr<Fixture> FixtureOf(const v1::Fixture& fixture, const std::string& primary,
                                  int index) {
  Fixture out{fixture.title(), {}, ValuesOf(fixture.parameter_values())};
  for (const v1::Fixture::Row& row : fixture.rows()) {
    Fixture::Row to{primary, {row.values().begin(), row.values().end()}, row.must_fire()};
    if (!row.dataset().empty()) {
      ASSIGN_OR_RETURN(const names::DatasetName dataset,
                       names::DatasetName::Parse(
                           row.dataset(), fmt::format("rule.fixtures[{}].rows.dataset", index)));
      to.dataset = dataset.id();
    }
    out.rows.push_back(std::move(to));
  }
  return out;
}

absl::StatusOr<std::vector<SeverityPeriod>> ScheduleOf(const v1::RuleGroup::Member& member,
                                                       const std::string& field) {
  std::vector<SeverityPeriod> schedule;
  for (const v1::RuleGroup::SeverityPeriod& period : member.severity_schedule()) {
    SeverityPeriod to;
    ASSIGN_OR_RETURN(to.from, rpc::ParseDate(period.from_date(), field + ".from_date"));
    ASSIGN_OR_RETURN(to.to, rpc::ParseDate(period.to_date(), field + ".to_date"));
    ASSIGN_OR_RETURN(to.severity, SeverityOf(period.severity(), field + ".severity"));
    to.reason = period.reason();
    schedule.push_back(std::move(to));
  }
  return schedule;
}

void WriteSettings(const GroupMember& member, v1::RuleGroup::Member& out) {
  out.mutable_parameter_values()->insert(member.parameter_values.begin(),
                                         member.parameter_values.end());
  for (const SeverityPeriod& period : member.schedule) {
    v1::RuleGroup::SeverityPeriod* to = out.add_severity_schedule();
    *to->mutable_from_date() = rpc::ToProto(period.from);
    *to->mutable_to_date() = rpc::ToProto(period.to);
    to->set_severity(static_cast<type::Severity>(period.severity));
    to->set_reason(period.reason);
  }
}

// What became of the findings of the i-th severity. Of a report from before that is not known.
void SetChanges(const SeverityCount& count, const std::optional<SeverityChanges>& all,
                std::size_t i, v1::Report::SeverityCount& to) {
  if (!all.has_value()) {
    to.set_records_unknown(count.records);
    return;
  }
  const ChangeCounts& changes = all->at(i);
  to.set_records_new(changes[FindingChange::kNew]);
  to.set_records_open(changes[FindingChange::kOpen]);
  to.set_records_regressed(changes[FindingChange::kRegressed]);
  to.set_records_fixed(changes[FindingChange::kFixed]);
  to.set_records_unknown(changes[FindingChange::kUnknown]);
}

}  // namespace

absl::StatusOr<RuleContent> ContentOf(const v1::Rule& rule) {
  RuleContent content;
  content.code = rule.code();
  content.title = rule.title();
  content.meaning = rule.meaning();
  ASSIGN_OR_RETURN(content.severity, SeverityOf(rule.severity(), "rule.severity"));
  for (int i = 0; i < rule.datasets_size(); ++i) {
    ASSIGN_OR_RETURN(
        const names::DatasetName dataset,
        names::DatasetName::Parse(rule.datasets(i), fmt::format("rule.datasets[{}]", i)));
    content.datasets.push_back(dataset.id());
  }
  if (content.datasets.empty()) return status::FieldInvalid("rule.datasets", "required");
  content.message = rule.message();
  content.suggested_fix = rule.suggested_fix();
  content.fields = Texts(rule.fields());
  content.source = rule.source();
  content.tags = Texts(rule.tags());
  for (int i = 0; i < rule.parameters_size(); ++i) {
    const v1::Rule::Parameter& parameter = rule.parameters(i);
    if (parameter.type() < 0 || parameter.type() > v1::Rule::Parameter::BOOL) {
      return status::FieldInvalid(fmt::format("rule.parameters[{}].type", i), "unknown value");
    }
    content.parameters.push_back({parameter.name(), static_cast<ParameterType>(parameter.type()),
                                  parameter.description(), parameter.default_value()});
  }
  ASSIGN_OR_RETURN(content.kind, KindOf(rule));
  if (const auto* reference = std::get_if<ReferenceRule>(&content.kind);
      reference != nullptr && std::find(content.datasets.begin(), content.datasets.end(),
                                        reference->dataset) == content.datasets.end()) {
    content.datasets.push_back(reference->dataset);
  }
  for (int i = 0; i < rule.fixtures_size(); ++i) {
    ASSIGN_OR_RETURN(Fixture fixture, FixtureOf(rule.fixtures(i), content.dataset(), i));
    content.fixtures.push_back(std::move(fixture));
  }
  return content;
}

v1::Rule ToProto(const RuleContent& content) {
  v1::Rule rule;
  rule.set_code(content.code);
  rule.set_title(content.title);
  rule.set_meaning(content.meaning);
  rule.set_severity(static_cast<type::Severity>(content.severity));
  for (const std::string& dataset : content.datasets) rule.add_datasets(DatasetName(dataset));
  rule.set_message(content.message);
  rule.set_suggested_fix(content.suggested_fix);
  Assign(content.fields, rule.mutable_fields());
  rule.set_source(content.source);
  Assign(content.tags, rule.mutable_tags());
  for (const Parameter& parameter : content.parameters) {
    v1::Rule::Parameter* to = rule.add_parameters();
    to->set_name(parameter.name);
    to->set_type(static_cast<v1::Rule::Parameter::Type>(parameter.type));
    to->set_description(parameter.description);
    to->set_default_value(parameter.default_value);
  }
  std::visit(KindWriter{rule}, content.kind);
  for (const Fixture& fixture : content.fixtures) {
    v1::Fixture* out = rule.add_fixtures();
    out->set_title(fixture.title);
    out->mutable_parameter_values()->insert(fixture.parameter_values.begin(),
                                            fixture.parameter_values.end());
    for (const Fixture::Row& row : fixture.rows) {
      v1::Fixture::Row* to = out->add_rows();
      to->set_dataset(DatasetName(row.dataset));
      to->mutable_values()->insert(row.values.begin(), row.values.end());
      to->set_must_fire(row.must_fire);
    }
  }
  return rule;
}

v1::Rule ToProto(const Rule& rule) {
  v1::Rule out = ToProto(rule.content);
  out.set_name(names::RuleName::FromId(rule.id).ToString());
  out.set_state(static_cast<v1::Rule::State>(rule.state));
  out.set_version(rule.version);
  out.set_active_version(rule.active_version);
  out.set_newest_version(rule.newest_version);
  out.set_author(rule.author);
  if (rule.pending.has_value()) {
    out.mutable_pending_activation()->set_version(rule.pending->version);
    out.mutable_pending_activation()->set_user(rule.pending->user);
    *out.mutable_pending_activation()->mutable_time() = rpc::ToProto(rule.pending->time);
  }
  out.set_etag(rule.etag);
  *out.mutable_create_time() = rpc::ToProto(rule.create_time);
  *out.mutable_update_time() = rpc::ToProto(rule.update_time);
  return out;
}

std::string EncodeContent(const RuleContent& content) {
  // Equal contents have equal bytes, whatever the order of their maps.
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream output(&stream);
  output.SetSerializationDeterministic(true);
  ToProto(content).SerializeToCodedStream(&output);
  output.Trim();
  return bytes;
}

absl::StatusOr<RuleContent> DecodeContent(const std::string& bytes) {
  v1::Rule rule;
  if (!rule.ParseFromString(bytes)) return status::Internal("stored rule");
  return ContentOf(rule);
}

absl::StatusOr<RuleGroup> GroupOf(const v1::RuleGroup& group) {
  RuleGroup out{.title = group.title()};
  if (group.level() < 0 || group.level() > type::LEVEL_SCHOOL) {
    return status::FieldInvalid("rule_group.level", "unknown value");
  }
  out.level = static_cast<GroupLevel>(group.level());
  for (int i = 0; i < group.rules_size(); ++i) {
    const v1::RuleGroup::Member& member = group.rules(i);
    ASSIGN_OR_RETURN(
        const names::RuleName rule,
        names::RuleName::Parse(member.rule(), fmt::format("rule_group.rules[{}].rule", i)));
    ASSIGN_OR_RETURN(
        const Severity severity,
        SeverityOf(member.severity(), fmt::format("rule_group.rules[{}].severity", i)));
    GroupMember to{rule.id(), member.version(), severity, ValuesOf(member.parameter_values()), {}};
    ASSIGN_OR_RETURN(to.schedule,
                     ScheduleOf(member, fmt::format("rule_group.rules[{}].severity_schedule", i)));
    out.members.push_back(std::move(to));
  }
  return out;
}

std::string EncodeSettings(const GroupMember& member) {
  v1::RuleGroup::Member settings;
  WriteSettings(member, settings);
  return settings.SerializeAsString();
}

absl::Status DecodeSettings(const std::string& bytes, GroupMember& member) {
  v1::RuleGroup::Member settings;
  if (!settings.ParseFromString(bytes)) return status::Internal("stored member of a rule group");
  member.parameter_values = ValuesOf(settings.parameter_values());
  ASSIGN_OR_RETURN(member.schedule, ScheduleOf(settings, "severity_schedule"));
  return absl::OkStatus();
}

v1::RuleGroup ToProto(const RuleGroup& group) {
  v1::RuleGroup out;
  out.set_name(names::RuleGroupName::FromId(group.id).ToString());
  out.set_title(group.title);
  out.set_level(static_cast<type::Level>(group.level));
  for (const GroupMember& member : group.members) {
    v1::RuleGroup::Member* to = out.add_rules();
    to->set_rule(names::RuleName::FromId(member.rule).ToString());
    to->set_version(member.version);
    to->set_severity(static_cast<type::Severity>(member.severity));
    WriteSettings(member, *to);
  }
  out.set_version(group.version);
  out.set_active_version(group.active_version);
  out.set_newest_version(group.newest_version);
  out.set_state(static_cast<v1::RuleGroup::State>(group.state));
  std::set<std::string> datasets(group.datasets.begin(), group.datasets.end());
  for (const std::string& dataset : group.last_year_datasets) {
    datasets.insert(std::string(kLastYear) + dataset);
  }
  for (const std::string& dataset : datasets) out.add_datasets(DatasetName(dataset));
  out.set_etag(group.etag);
  *out.mutable_create_time() = rpc::ToProto(group.create_time);
  *out.mutable_update_time() = rpc::ToProto(group.update_time);
  return out;
}

v1::RuleGroup::FatalAgain ToProto(const FatalAgain& again, const RuleHits& hits) {
  v1::RuleGroup::FatalAgain out;
  out.set_rule(names::RuleName::FromId(again.rule).ToString());
  *out.mutable_from_date() = rpc::ToProto(again.from);
  out.mutable_organizations()->Assign(hits.first.begin(), hits.first.end());
  out.set_organization_count(hits.organizations);
  return out;
}

void WriteVersions(const std::vector<ReportDataVersion>& versions, type::Copy copy,
                   google::protobuf::RepeatedPtrField<v1::Report::DataVersion>& to) {
  for (const ReportDataVersion& version : versions) {
    v1::Report::DataVersion& out = *to.Add();
    out.set_dataset(DatasetName(version.dataset));
    out.set_copy(copy);
    out.set_version(version.version);
    out.set_rows(version.rows);
  }
}

void WriteCounts(const SeverityCounts& counts,
                 google::protobuf::RepeatedPtrField<v1::Report::SeverityCount>& to) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    v1::Report::SeverityCount& out = *to.Add();
    out.set_severity(static_cast<type::Severity>(i + 1));
    out.set_rules(counts[i].rules);
    out.set_records(counts[i].records);
    out.set_rules_errored(counts[i].rules_errored);
    out.set_records_waived(counts[i].waived);
  }
}

v1::Report ToProto(const Report& report) {
  v1::Report out;
  out.set_name(report.name());
  out.set_title(report.title);
  out.set_event(report.event);
  out.set_organization(report.organization);
  out.set_kind(static_cast<v1::ReportKind>(report.kind));
  out.set_format(static_cast<v1::ReportFormat>(report.format));
  out.set_snapshot(report.snapshot);
  out.set_requester(report.requester);
  out.set_state(static_cast<v1::Report::State>(report.state));
  out.set_queue_position(static_cast<int32_t>(report.queue_position));
  if (report.expected_start.has_value()) {
    // A guess: rounded, so that it does not change with every look.
    const absl::Time start =
        absl::UnixEpoch() + absl::Ceil(*report.expected_start - absl::UnixEpoch(), kStartGrain);
    *out.mutable_expected_start() = rpc::ToProto(start);
  }
  if (report.attempt > 0) {
    out.mutable_progress()->set_done(report.progress_done);
    out.mutable_progress()->set_total(report.progress_total);
    out.mutable_progress()->set_phase(report.progress_phase);
  }
  WriteVersions(report.data_versions,
                report.kind == ReportKind::kDistrictData ? type::COPY_DISTRICT : type::COPY_STATE,
                *out.mutable_data_versions());
  out.set_previous_snapshot(report.last_year.snapshot);
  WriteVersions(report.last_year.data_versions, type::COPY_STATE,
                *out.mutable_previous_data_versions());
  out.set_rule_group(names::RuleGroupName::FromId(report.rule_group).ToString());
  out.set_rule_group_version(report.rule_group_version);
  if (report.result.has_value()) {
    WriteCounts(report.result->counts, *out.mutable_counts());
    for (std::size_t i = 0; i < report.result->counts.size(); ++i) {
      SetChanges(report.result->counts[i], report.result->changes, i,
                 *out.mutable_counts(static_cast<int>(i)));
    }
    out.set_rules_errored(report.result->rules_errored());
    out.set_truncated(report.result->truncated);
    out.set_sha256(report.result->sha256);
    out.set_size(report.result->size);
  }
  if (report.viewed_at.has_value()) {
    *out.mutable_viewed_by_caller_at() = rpc::ToProto(*report.viewed_at);
  }
  *out.mutable_create_time() = rpc::ToProto(report.create_time);
  if (report.start_time.has_value()) *out.mutable_start_time() = rpc::ToProto(*report.start_time);
  if (report.end_time.has_value()) *out.mutable_end_time() = rpc::ToProto(*report.end_time);
  out.set_attempt(static_cast<int32_t>(report.attempt));
  if (report.severity_day.has_value()) {
    *out.mutable_severity_date() = rpc::ToProto(*report.severity_day);
  }
  if (report.next_severity_change.has_value()) {
    *out.mutable_next_severity_change() = rpc::ToProto(*report.next_severity_change);
  }
  if (report.state == ReportState::kFailed) {
    out.mutable_failure()->set_reason("EVALUATION_FAILED");
    out.mutable_failure()->set_message(report.failure);
  }
  if (!report.previous_report.empty()) {
    out.set_previous_report(names::ReportName::FromId(report.previous_report).ToString());
  }
  return out;
}

v1::Finding ToProto(const ListedFinding& finding, std::optional<absl::Time> seen) {
  v1::Finding out;
  out.set_rule(names::RuleName::FromId(finding.rule).ToString());
  out.set_rule_version(finding.rule_version);
  out.set_rule_code(finding.rule_code);
  out.set_severity(static_cast<type::Severity>(finding.severity));
  out.set_dataset(DatasetName(finding.dataset));
  out.set_record_key(finding.finding.record_key);
  if (!finding.finding.school.empty()) {
    out.set_school(names::OrganizationName::FromId(finding.finding.school).ToString());
  }
  out.mutable_fields()->insert(finding.finding.fields.begin(), finding.finding.fields.end());
  out.set_message(finding.finding.message);
  out.set_fingerprint(finding.finding.fingerprint);
  out.set_change(static_cast<v1::FindingChange>(finding.finding.change));
  out.set_group(finding.group);
  out.set_group_size(finding.group_size);
  if (finding.first_seen.has_value()) {
    *out.mutable_first_seen_time() = rpc::ToProto(*finding.first_seen);
  }
  if (finding.last_seen.has_value()) seen = finding.last_seen;
  if (seen.has_value()) *out.mutable_last_seen_time() = rpc::ToProto(*seen);
  if (finding.explanation.has_value()) *out.mutable_explanation() = ToProto(*finding.explanation);
  if (!finding.waiver.empty()) {
    out.set_waiver(names::WaiverName::FromId(finding.waiver).ToString());
  }
  return out;
}

v1::FindingGroup ToProto(const ListedGroup& group) {
  v1::FindingGroup out;
  out.set_group(group.group.id);
  out.set_rule(names::RuleName::FromId(group.rule).ToString());
  out.set_rule_version(group.rule_version);
  out.set_rule_code(group.rule_code);
  out.set_severity(static_cast<type::Severity>(group.severity));
  out.set_dataset(DatasetName(group.dataset));
  out.mutable_cause()->insert(group.group.cause.begin(), group.group.cause.end());
  out.set_description(group.group.description);
  out.set_size(group.group.size);
  out.set_size_new(group.group.changes[FindingChange::kNew]);
  out.set_size_regressed(group.group.changes[FindingChange::kRegressed]);
  out.set_truncated(group.truncated);
  out.set_unexplained(group.unexplained);
  if (group.explanation.has_value()) *out.mutable_explanation() = ToProto(*group.explanation);
  out.set_suggested_explanation(group.suggestion);
  out.set_waived(group.waived);
  return out;
}

v1::Waiver ToProto(const Waiver& waiver, absl::Time now) {
  v1::Waiver out;
  out.set_name(waiver.name());
  out.set_event(waiver.event);
  out.set_organization(waiver.organization);
  out.set_report(names::ReportName::FromId(waiver.report).ToString());
  out.set_rule(names::RuleName::FromId(waiver.rule).ToString());
  out.set_rule_code(waiver.rule_code);
  out.set_target(waiver.target);
  out.set_findings(waiver.findings);
  out.set_reason(waiver.reason);
  *out.mutable_until_date() = rpc::ToProto(waiver.until);
  out.set_state(static_cast<v1::Waiver::State>(StateOf(waiver, now)));
  out.set_asked_by(waiver.asked_by);
  *out.mutable_ask_time() = rpc::ToProto(waiver.asked_at);
  out.set_confirmed_by(waiver.confirmed_by);
  if (waiver.confirmed_at.has_value()) {
    *out.mutable_confirm_time() = rpc::ToProto(*waiver.confirmed_at);
  }
  out.set_revoked_by(waiver.revoked_by);
  if (waiver.revoked_at.has_value()) *out.mutable_revoke_time() = rpc::ToProto(*waiver.revoked_at);
  out.set_revoke_reason(waiver.revoke_reason);
  return out;
}

v1::OpenFindings ToProto(const BackgroundRun& run, bool stale) {
  v1::OpenFindings out;
  const type::Copy copy =
      run.target.kind == ReportKind::kDistrictData ? type::COPY_DISTRICT : type::COPY_STATE;
  out.set_organization(run.target.organization);
  out.set_rule_group(names::RuleGroupName::FromId(run.target.rule_group).ToString());
  out.set_copy(copy);
  out.set_stale(stale);
  if (!run.counts.has_value()) return out;
  out.set_rule_group_version(run.counts->rule_group_version);
  WriteVersions(run.counts->data_versions, copy, *out.mutable_data_versions());
  WriteCounts(CountBySeverity(run.counts->rules), *out.mutable_counts());
  for (const RanRule& rule : run.counts->rules) {
    v1::OpenFindings::RuleCount* to = out.add_rules();
    to->set_rule(names::RuleName::FromId(rule.rule).ToString());
    to->set_rule_version(rule.version);
    to->set_rule_code(rule.code);
    to->set_severity(static_cast<type::Severity>(rule.severity));
    to->set_findings(rule.result.findings);
    to->set_error(rule.result.error);
  }
  *out.mutable_count_time() = rpc::ToProto(run.counts->counted_at);
  out.set_rules_left_out(run.counts->left_out);
  return out;
}

v1::Explanation ToProto(const Explanation& explanation) {
  v1::Explanation out;
  out.set_text(explanation.text);
  out.set_author(explanation.author);
  *out.mutable_create_time() = rpc::ToProto(explanation.created_at);
  return out;
}

v1::TestRuleResponse ToProto(const Rule& rule, const std::vector<FixtureResult>& results) {
  v1::TestRuleResponse out;
  out.set_version(rule.version);
  out.set_passed(!results.empty());
  for (std::size_t i = 0; i < results.size(); ++i) {
    v1::TestRuleResponse::FixtureResult* to = out.add_results();
    to->set_index(static_cast<int32_t>(i));
    to->set_title(rule.content.fixtures[i].title);
    to->set_passed(results[i].passed());
    Assign(results[i].missed, to->mutable_missed_rows());
    Assign(results[i].unexpected, to->mutable_unexpected_rows());
    to->set_error(results[i].error);
    if (!results[i].passed()) out.set_passed(false);
  }
  return out;
}

}  // namespace edcert::validation_report
