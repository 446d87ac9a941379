#include "services/dataset/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/ids/ids.h"
#include "common/names/names.h"
#include "common/rpc/standard.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/errors.h"
#include "services/dataset/value.h"

namespace edcert::dataset {
namespace {

constexpr int kMaxDatasets = 50;
constexpr std::size_t kMaxWatermark = 200;
constexpr std::size_t kMaxNewId = 40;
constexpr std::size_t kMaxTitle = 200;
constexpr std::size_t kMaxDescription = 4000;
constexpr std::size_t kMaxColumnText = 1000;
constexpr std::size_t kMaxUnit = 40;
constexpr int kMaxNewColumns = 300;
constexpr int kMaxCodes = 1000;
constexpr std::size_t kMaxCode = 60;
constexpr std::size_t kMaxLabel = 200;
constexpr char kFailed[] = "SYNC_FAILED";

static_assert(static_cast<int>(ColumnType::kString) == v1::Column::TYPE_STRING);
static_assert(static_cast<int>(ColumnType::kInt64) == v1::Column::TYPE_INT64);
static_assert(static_cast<int>(ColumnType::kDecimal) == v1::Column::TYPE_DECIMAL);
static_assert(static_cast<int>(ColumnType::kDate) == v1::Column::TYPE_DATE);
static_assert(static_cast<int>(ColumnType::kBool) == v1::Column::TYPE_BOOL);
static_assert(static_cast<int>(ColumnType::kTimestamp) == v1::Column::TYPE_TIMESTAMP);
static_assert(static_cast<int>(ColumnType::kCode) == v1::Column::TYPE_CODE);
static_assert(static_cast<int>(ColumnType::kCodes) == v1::Column::TYPE_CODES);
static_assert(static_cast<int>(PersonalData::kNone) == v1::Column::PERSONAL_DATA_NONE);
static_assert(static_cast<int>(PersonalData::kRestricted) == v1::Column::PERSONAL_DATA_RESTRICTED);
static_assert(static_cast<int>(Copy::kDistrict) == type::COPY_DISTRICT);
static_assert(static_cast<int>(Copy::kState) == type::COPY_STATE);
static_assert(static_cast<int>(Mode::kUpsert) == v1::PushRecordsRequest::MODE_UPSERT);
static_assert(static_cast<int>(Mode::kReplaceAll) == v1::PushRecordsRequest::MODE_REPLACE_ALL);

std::string DatasetNameOf(const std::string& id) { return "datasets/" + id; }
std::string OrganizationNameOf(const std::string& id) {
  return id.empty() ? "" : "organizations/" + id;
}

v1::Resync::State StateOf(jobs::State state) {
  switch (state) {
    case jobs::State::kQueued:
      return v1::Resync::QUEUED;
    case jobs::State::kRunning:
      return v1::Resync::RUNNING;
    case jobs::State::kCompleted:
      return v1::Resync::COMPLETED;
    case jobs::State::kFailed:
    case jobs::State::kExpired:
      return v1::Resync::FAILED;
    case jobs::State::kCancelled:
      return v1::Resync::CANCELLED;
  }
  return v1::Resync::STATE_UNSPECIFIED;
}

v1::Resync::DatasetCounts ToProto(const SyncCounts& counts) {
  v1::Resync::DatasetCounts out;
  out.set_dataset(DatasetNameOf(counts.dataset));
  out.set_district_version(counts.district_version);
  out.set_state_version(counts.state_version);
  out.set_read(counts.read);
  out.set_inserted(counts.inserted);
  out.set_updated(counts.updated);
  out.set_deleted(counts.deleted);
  out.set_unchanged(counts.unchanged);
  out.set_refused(counts.refused);
  return out;
}

v1::Column ToProto(const Column& column) {
  v1::Column out;
  out.set_name(column.name);
  out.set_type(static_cast<v1::Column::Type>(column.type));
  out.set_length(column.length);
  out.set_precision(column.precision);
  out.set_scale(column.scale);
  out.set_code_list(column.code_list);
  out.set_required(column.required);
  out.set_personal_data(static_cast<v1::Column::PersonalData>(column.personal_data));
  out.set_description(column.description);
  out.set_unit(column.unit);
  out.set_date_column(column.date_column);
  return out;
}

// Text for people: so many bytes, UTF-8 without NUL.
absl::Status CheckWords(const std::string& text, const std::string& field, std::size_t min,
                        std::size_t max) {
  RETURN_IF_ERROR(rpc::CheckText(text, field, min, max));
  std::size_t characters = 0;
  return IsText(text, characters) ? absl::OkStatus()
                                  : status::FieldInvalid(field, "must be UTF-8 without NUL");
}

absl::StatusOr<Column> ParseColumn(const v1::Column& message, const std::string& field) {
  if (message.type() == v1::Column::TYPE_UNSPECIFIED || !v1::Column::Type_IsValid(message.type())) {
    return status::FieldInvalid(field + ".type", "must be one of the types");
  }
  if (message.personal_data() == v1::Column::PERSONAL_DATA_UNSPECIFIED ||
      !v1::Column::PersonalData_IsValid(message.personal_data())) {
    return status::FieldInvalid(field + ".personal_data", "must be one of the values");
  }
  RETURN_IF_ERROR(CheckWords(message.code_list(), field + ".code_list", 0, names::kMaxIdLength));
  RETURN_IF_ERROR(CheckWords(message.description(), field + ".description", 0, kMaxColumnText));
  RETURN_IF_ERROR(CheckWords(message.unit(), field + ".unit", 0, kMaxUnit));
  RETURN_IF_ERROR(
      CheckWords(message.date_column(), field + ".date_column", 0, names::kMaxIdLength));
  return Column{.name = message.name(),
                .type = static_cast<ColumnType>(message.type()),
                .length = message.length(),
                .precision = message.precision(),
                .scale = message.scale(),
                .code_list = message.code_list(),
                .required = message.required(),
                .personal_data = static_cast<PersonalData>(message.personal_data()),
                .description = message.description(),
                .unit = message.unit(),
                .date_column = message.date_column()};
}

absl::StatusOr<std::vector<Column>> ParseColumns(
    const google::protobuf::RepeatedPtrField<v1::Column>& messages, const std::string& prefix) {
  std::vector<Column> columns;
  for (int i = 0; i < messages.size() && i <= kMaxNewColumns; ++i) {
    ASSIGN_OR_RETURN(Column column,
                     ParseColumn(messages[i], fmt::format("{}columns[{}]", prefix, i)));
    columns.push_back(std::move(column));
  }
  return columns;
}

}  // namespace

v1::Dataset ToProto(const Dataset& dataset, const DefinitionTimes& times) {
  v1::Dataset out;
  out.set_name(dataset.name());
  out.set_title(dataset.title);
  out.set_description(dataset.description);
  for (const Column& column : dataset.columns) *out.add_columns() = ToProto(column);
  for (const std::size_t key : dataset.key) out.add_key_columns(dataset.columns[key].name);
  if (dataset.school >= 0) {
    out.set_school_column(dataset.columns[static_cast<std::size_t>(dataset.school)].name);
  }
  out.set_builtin(dataset.builtin);
  out.set_read_only(dataset.read_only());
  *out.mutable_create_time() = rpc::ToProto(times.created_at);
  *out.mutable_update_time() = rpc::ToProto(times.updated_at);
  return out;
}

v1::SyncIssue ToProto(const Issue& issue) {
  v1::SyncIssue out;
  out.set_name(fmt::format("syncIssues/{}", issue.id));
  out.set_district(OrganizationNameOf(issue.district));
  out.set_dataset(DatasetNameOf(issue.dataset));
  out.set_copy(static_cast<type::Copy>(issue.copy));
  out.set_batch_id(issue.batch_id);
  if (!issue.resync_id.empty()) out.set_resync("resyncs/" + issue.resync_id);
  out.set_line(issue.line);
  out.set_column(issue.column);
  out.set_reason(issue.reason);
  out.set_message(issue.message);
  out.set_record_key(issue.record_key);
  out.set_open(issue.open);
  *out.mutable_create_time() = rpc::ToProto(issue.create_time);
  *out.mutable_update_time() = rpc::ToProto(issue.update_time);
  return out;
}

v1::DataVersion ToProto(const Version& version) {
  v1::DataVersion out;
  out.set_dataset(DatasetNameOf(version.dataset));
  out.set_version(version.version);
  if (version.changed_at.has_value()) *out.mutable_changed_at() = rpc::ToProto(*version.changed_at);
  out.set_row_count(version.row_count);
  out.set_oldest_version(version.oldest);
  return out;
}

v1::Record ToProto(const Record& record) {
  v1::Record out;
  out.set_record_key(record.key);
  out.set_school(OrganizationNameOf(record.school));
  out.set_row_hash(record.row_hash);
  out.set_valid_from(record.valid_from);
  for (const std::string& value : record.values) out.add_values(value);
  return out;
}

v1::Resync ToProto(const Resync& resync) {
  v1::Resync out;
  out.set_name("resyncs/" + resync.id);
  out.set_district(OrganizationNameOf(resync.district));
  for (const std::string& dataset : resync.datasets) out.add_datasets(DatasetNameOf(dataset));
  out.set_state(StateOf(resync.state));
  for (const SyncCounts& counts : resync.counts) *out.add_counts() = ToProto(counts);
  if (out.state() != v1::Resync::QUEUED) {
    out.mutable_progress()->set_done(resync.progress_done);
    out.mutable_progress()->set_total(resync.progress_total);
    out.mutable_progress()->set_phase(resync.progress_phase);
  }
  if (out.state() == v1::Resync::FAILED) {
    out.mutable_failure()->set_reason(kFailed);
    out.mutable_failure()->set_message(resync.failure);
  }
  out.set_attempt(static_cast<int32_t>(resync.attempt));
  out.set_requester(resync.requester);
  *out.mutable_create_time() = rpc::ToProto(resync.create_time);
  if (resync.start_time.has_value()) {
    *out.mutable_start_time() = rpc::ToProto(*resync.start_time);
  }
  if (resync.end_time.has_value()) *out.mutable_end_time() = rpc::ToProto(*resync.end_time);
  return out;
}

v1::SchoolComparison ToProto(const SchoolCounts& counts) {
  v1::SchoolComparison out;
  out.set_school(OrganizationNameOf(counts.school));
  out.set_district_rows(counts.district_rows);
  out.set_state_rows(counts.state_rows);
  out.set_only_district(counts.only_district);
  out.set_only_state(counts.only_state);
  out.set_different(counts.different);
  return out;
}

v1::RecordDifference ToProto(const Difference& difference) {
  v1::RecordDifference out;
  out.set_record_key(difference.key);
  out.set_school(OrganizationNameOf(difference.school));
  out.set_kind(!difference.in_state      ? v1::RecordDifference::KIND_ONLY_DISTRICT
               : !difference.in_district ? v1::RecordDifference::KIND_ONLY_STATE
                                         : v1::RecordDifference::KIND_DIFFERENT);
  for (const ColumnDifference& column : difference.columns) {
    out.add_columns(column.column);
    v1::ColumnDifference& values = *out.add_column_differences();
    values.set_column(column.column);
    if (column.district.has_value()) values.set_district_value(*column.district);
    if (column.state.has_value()) values.set_state_value(*column.state);
  }
  return out;
}

absl::StatusOr<Copy> ParseCopy(int copy, std::string_view field) {
  if (copy == type::COPY_DISTRICT) return Copy::kDistrict;
  if (copy == type::COPY_STATE) return Copy::kState;
  return status::FieldInvalid(field, copy == 0 ? "required" : "is not a copy");
}

absl::StatusOr<std::string> ParseResyncState(int state, std::string_view field) {
  if (state == v1::Resync::STATE_UNSPECIFIED || !v1::Resync::State_IsValid(state)) {
    return status::FieldInvalid(field, "is not a state");
  }
  return v1::Resync::State_Name(static_cast<v1::Resync::State>(state));
}

absl::Status CheckNewId(const std::string& id, std::string_view field) {
  const bool fits = IsOfState(id) && id.size() > kStatePrefix.size() && id.size() <= kMaxNewId &&
                    !id.ends_with("_history") && names::IsId(id) &&
                    id.find('-') == std::string::npos;
  if (fits) return absl::OkStatus();
  return status::FieldInvalid(field,
                              "must be state_ and then lower-case letters, digits and underscores, "
                              "at most 40 in all, and not end with _history");
}

absl::StatusOr<Dataset> ParseNewDataset(const v1::CreateDatasetRequest& request) {
  RETURN_IF_ERROR(CheckNewId(request.dataset_id(), "dataset_id"));
  const v1::Dataset& message = request.dataset();
  RETURN_IF_ERROR(CheckWords(message.title(), "dataset.title", 1, kMaxTitle));
  RETURN_IF_ERROR(CheckWords(message.description(), "dataset.description", 0, kMaxDescription));
  Dataset dataset{
      .id = request.dataset_id(), .title = message.title(), .description = message.description()};
  ASSIGN_OR_RETURN(dataset.columns, ParseColumns(message.columns(), "dataset."));
  RETURN_IF_ERROR(CheckColumns(dataset.columns, "dataset."));
  for (const std::string& name : message.key_columns()) {
    const int column = dataset.Find(name);
    if (column < 0) return status::FieldInvalid("dataset.key_columns", "must be columns");
    dataset.key.push_back(static_cast<std::size_t>(column));
  }
  if (!message.school_column().empty()) {
    dataset.school = dataset.Find(message.school_column());
    if (dataset.school < 0) return status::FieldInvalid("dataset.school_column", "is no column");
  }
  RETURN_IF_ERROR(CheckFields(dataset, "dataset."));
  return dataset;
}

absl::StatusOr<std::vector<Column>> ParseNewColumns(const v1::AddColumnsRequest& request) {
  ASSIGN_OR_RETURN(std::vector<Column> columns, ParseColumns(request.columns(), ""));
  RETURN_IF_ERROR(CheckColumns(columns, ""));
  return columns;
}

absl::StatusOr<std::vector<Code>> ParseCodes(const v1::PutCodesRequest& request) {
  RETURN_IF_ERROR(CheckWords(request.code_list(), "code_list", 1, names::kMaxIdLength));
  if (request.codes().empty() || request.codes_size() > kMaxCodes) {
    return status::FieldInvalid("codes", "must be 1 to 1000");
  }
  std::vector<Code> codes;
  std::set<std::string_view> seen;
  for (const v1::Code& message : request.codes()) {
    const std::string field = fmt::format("codes[{}]", codes.size());
    RETURN_IF_ERROR(CheckWords(message.code(), field + ".code", 1, kMaxCode));
    RETURN_IF_ERROR(CheckWords(message.label(), field + ".label", 1, kMaxLabel));
    // A semicolon is what joins several codes of one record.
    const auto no_code = [](char c) { return c == ';' || (c >= 0 && c < ' '); };
    if (std::any_of(message.code().begin(), message.code().end(), no_code)) {
      return status::FieldInvalid(field + ".code",
                                  "must not have a semicolon or a control character");
    }
    if (!seen.insert(message.code()).second) {
      return status::FieldInvalid(field + ".code", "stands twice");
    }
    Code& code = codes.emplace_back(
        Code{.list = request.code_list(), .code = message.code(), .label = message.label()});
    absl::CivilDay from = absl::CivilDay::min();
    if (message.has_effective_from()) {
      ASSIGN_OR_RETURN(from, rpc::ParseDate(message.effective_from(), field + ".effective_from"));
      code.valid_from = absl::FormatCivilTime(from);
    }
    if (message.has_effective_to()) {
      ASSIGN_OR_RETURN(const absl::CivilDay to,
                       rpc::ParseDate(message.effective_to(), field + ".effective_to"));
      if (to < from)
        return status::FieldInvalid(field + ".effective_to", "is before the first day");
      code.valid_to = absl::FormatCivilTime(to);
    }
  }
  return codes;
}

absl::StatusOr<const Dataset*> FindDataset(const std::string& name, std::string_view field,
                                           const Catalogue& catalogue) {
  ASSIGN_OR_RETURN(const auto parsed, names::DatasetName::Parse(name, field));
  const Dataset* dataset = catalogue.Find(parsed.id());
  if (dataset == nullptr) return status::NotFound(name);
  return dataset;
}

absl::StatusOr<BatchHeader> ParseHeader(const v1::PushRecordsRequest::Header& header,
                                        const Catalogue& catalogue) {
  RETURN_IF_ERROR(names::DatasetName::Parse(header.dataset(), "header.dataset").status());
  ASSIGN_OR_RETURN(const auto district,
                   names::OrganizationName::Parse(header.district(), "header.district"));
  if (header.mode() == v1::PushRecordsRequest::MODE_UNSPECIFIED ||
      !v1::PushRecordsRequest::Mode_IsValid(header.mode())) {
    return status::FieldInvalid("header.mode", "must be one of the modes");
  }
  if (!ids::IsUuid(header.batch_id())) {
    return status::FieldInvalid("header.batch_id", "must be a UUID");
  }
  RETURN_IF_ERROR(
      rpc::CheckText(header.source_watermark(), "header.source_watermark", 0, kMaxWatermark));
  std::size_t characters = 0;
  if (!IsText(header.source_watermark(), characters)) {
    return status::FieldInvalid("header.source_watermark", "must be UTF-8");
  }
  ASSIGN_OR_RETURN(const Dataset* dataset,
                   FindDataset(header.dataset(), "header.dataset", catalogue));
  if (dataset->read_only()) return KeptByTheService("header.dataset");
  std::string batch_id = header.batch_id();
  std::transform(batch_id.begin(), batch_id.end(), batch_id.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  return BatchHeader{.batch_id = batch_id,
                     .district = district.id(),
                     .dataset = dataset,
                     .mode = static_cast<Mode>(header.mode()),
                     .source_watermark = header.source_watermark(),
                     .all_or_nothing = header.all_or_nothing()};
}

absl::StatusOr<std::vector<std::string>> ParseDatasets(
    const google::protobuf::RepeatedPtrField<std::string>& names, const Catalogue& catalogue) {
  if (names.size() > kMaxDatasets) return status::FieldInvalid("datasets", "must be at most 50");
  std::vector<std::string> ids;
  for (int i = 0; i < names.size(); ++i) {
    const std::string field = fmt::format("datasets[{}]", i);
    ASSIGN_OR_RETURN(const auto name, names::DatasetName::Parse(names[i], field));
    if (std::find(ids.begin(), ids.end(), name.id()) != ids.end()) {
      return status::FieldInvalid(field, "is listed twice");
    }
    ids.push_back(name.id());
  }
  for (const std::string& id : ids) {
    if (catalogue.Find(id) == nullptr) return status::NotFound(DatasetNameOf(id));
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace edcert::dataset
