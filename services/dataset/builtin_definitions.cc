#include "services/dataset/builtin_definitions.h"

#include <fmt/format.h>
#include <google/protobuf/text_format.h>

#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/definition.pb.h"
#include "services/dataset/definitions/attendance_event.textproto.h"
#include "services/dataset/definitions/attendance_summary.textproto.h"
#include "services/dataset/definitions/behavior_action.textproto.h"
#include "services/dataset/definitions/behavior_incident.textproto.h"
#include "services/dataset/definitions/behavior_involvement.textproto.h"
#include "services/dataset/definitions/calendar_day.textproto.h"
#include "services/dataset/definitions/code.textproto.h"
#include "services/dataset/definitions/codes.textproto.h"
#include "services/dataset/definitions/enrollment.textproto.h"
#include "services/dataset/definitions/organization.textproto.h"
#include "services/dataset/definitions/special_education.textproto.h"

namespace edcert::dataset {
namespace {

static_assert(static_cast<int>(Keeper::kServiceByDistrict) ==
              internal::DatasetDefinition::SERVICE_BY_DISTRICT);
static_assert(static_cast<int>(Keeper::kServiceForAll) ==
              internal::DatasetDefinition::SERVICE_FOR_ALL);

// The bounds of codes, whose files need not name one.
constexpr int kCodeLength = 60;
constexpr int kCodesLength = 1000;

PersonalData PersonalDataOf(internal::ColumnDefinition::PersonalData personal_data) {
  switch (personal_data) {
    case internal::ColumnDefinition::IDENTIFIER:
      return PersonalData::kIdentifying;
    case internal::ColumnDefinition::PERSONAL:
      return PersonalData::kPersonal;
    case internal::ColumnDefinition::NONE:
      return PersonalData::kNone;
    default:
      return PersonalData::kRestricted;
  }
}

// `date_column` is that of the dataset.
Column ColumnOf(const internal::ColumnDefinition& definition, const std::string& date_column) {
  Column column{.name = definition.name(),
                .type = static_cast<ColumnType>(definition.type()),
                .length = definition.length(),
                .precision = definition.precision(),
                .scale = definition.scale(),
                .code_list = definition.code_list(),
                .required = definition.required(),
                .personal_data = PersonalDataOf(definition.personal_data()),
                .description = definition.description(),
                .unit = definition.unit()};
  if (column.length == 0 && column.type == ColumnType::kCode) column.length = kCodeLength;
  if (column.length == 0 && column.type == ColumnType::kCodes) column.length = kCodesLength;
  const bool own = !definition.date_column().empty();
  if (own || !column.code_list.empty()) {
    column.date_column = own ? definition.date_column() : date_column;
  }
  return column;
}

absl::StatusOr<Dataset> DatasetOf(const internal::DatasetDefinition& definition) {
  Dataset dataset{.id = definition.id(),
                  .title = definition.title(),
                  .description = definition.description(),
                  .builtin = true,
                  .keeper = static_cast<Keeper>(definition.keeper())};
  for (const auto& column : definition.columns()) {
    if (column.type() == internal::ColumnDefinition::TYPE_UNSPECIFIED) {
      return status::Internal(fmt::format("{}: a column without type", definition.id()));
    }
    dataset.columns.push_back(ColumnOf(column, definition.date_column()));
  }
  for (const std::string& key : definition.key_columns()) {
    const int column = dataset.Find(key);
    if (column < 0) return status::Internal(fmt::format("{}: no key {}", definition.id(), key));
    dataset.key.push_back(static_cast<std::size_t>(column));
  }
  if (!definition.school_column().empty()) {
    dataset.school = dataset.Find(definition.school_column());
    if (dataset.school < 0) return status::Internal(definition.id() + ": no school column");
  }
  return dataset;
}

}  // namespace

absl::StatusOr<Catalogue> BuiltinCatalogue() {
  std::vector<Dataset> datasets;
  for (const std::string_view text :
       {text::kAttendanceEvent, text::kAttendanceSummary, text::kBehaviorAction,
        text::kBehaviorIncident, text::kBehaviorInvolvement, text::kCalendarDay, text::kCode,
        text::kEnrollment, text::kOrganization, text::kSpecialEducation}) {
    internal::DatasetDefinition definition;
    if (!google::protobuf::TextFormat::ParseFromString(std::string(text), &definition)) {
      return status::Internal("a built-in definition");
    }
    ASSIGN_OR_RETURN(Dataset dataset, DatasetOf(definition));
    datasets.push_back(std::move(dataset));
  }
  return Catalogue::Make(std::move(datasets));
}

absl::StatusOr<std::vector<Code>> BuiltinCodes() {
  internal::CodeLists lists;
  if (!google::protobuf::TextFormat::ParseFromString(std::string(text::kCodes), &lists)) {
    return status::Internal("the built-in code lists");
  }
  std::vector<Code> codes;
  for (const auto& list : lists.lists()) {
    for (const auto& value : list.values()) {
      codes.push_back(
          {list.id(), value.code(), value.label(), value.valid_from(), value.valid_to()});
    }
  }
  return codes;
}

}  // namespace edcert::dataset
