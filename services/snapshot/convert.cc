#include "services/snapshot/convert.h"

#include <set>

#include "absl/strings/escaping.h"
#include "common/names/names.h"
#include "common/rpc/standard.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::snapshot {
namespace {

static_assert(static_cast<int>(State::kSealing) == v1::Snapshot::SEALING);
static_assert(static_cast<int>(State::kSealed) == v1::Snapshot::SEALED);
static_assert(static_cast<int>(State::kFailed) == v1::Snapshot::FAILED);
static_assert(static_cast<int>(State::kSuperseded) == v1::Snapshot::SUPERSEDED);
static_assert(v1::Snapshot::State_MAX == v1::Snapshot::SUPERSEDED);
static_assert(static_cast<int>(Origin::kStateScheduled) == v1::SNAPSHOT_ORIGIN_STATE_SCHEDULED);
static_assert(static_cast<int>(Origin::kStateManual) == v1::SNAPSHOT_ORIGIN_STATE_MANUAL);
static_assert(static_cast<int>(Origin::kDistrictTaken) == v1::SNAPSHOT_ORIGIN_DISTRICT_TAKEN);
static_assert(static_cast<int>(Origin::kDistrictRetaken) == v1::SNAPSHOT_ORIGIN_DISTRICT_RETAKEN);
static_assert(v1::SnapshotOrigin_MAX == v1::SNAPSHOT_ORIGIN_DISTRICT_RETAKEN);

std::string NameOrEmpty(const std::string& id) { return id.empty() ? "" : "snapshots/" + id; }

v1::RecordDiff::Kind KindOf(const RecordDifference& difference) {
  if (!difference.in_base) return v1::RecordDiff::ADDED;
  return difference.in_other ? v1::RecordDiff::CHANGED : v1::RecordDiff::REMOVED;
}

}  // namespace

v1::Snapshot ToProto(const Snapshot& snapshot) {
  v1::Snapshot out;
  out.set_name(snapshot.name());
  out.set_event(snapshot.event);
  out.set_organization(snapshot.organization);
  out.set_district(names::OrganizationName::FromId(snapshot.district_id).ToString());
  out.set_generation(snapshot.generation);
  out.set_origin(static_cast<v1::SnapshotOrigin>(snapshot.origin));
  out.set_state(static_cast<v1::Snapshot::State>(snapshot.state));
  for (const DataVersion& version : snapshot.versions) {
    v1::Snapshot::DataVersion* to = out.add_data_versions();
    to->set_dataset("datasets/" + version.dataset);
    to->set_version(version.version);
    to->set_rows(version.rows);
    to->set_digest(absl::BytesToHexString(version.digest));
  }
  out.set_root(absl::BytesToHexString(snapshot.root));
  out.set_taken_by(snapshot.taken_by);
  *out.mutable_taken_at() = rpc::ToProto(snapshot.taken_at);
  if (snapshot.sealed_at.has_value()) *out.mutable_sealed_at() = rpc::ToProto(*snapshot.sealed_at);
  out.set_superseded_by(NameOrEmpty(snapshot.superseded_by));
  out.set_previous(NameOrEmpty(snapshot.previous));
  if (!snapshot.failure_reason.empty()) {
    out.mutable_failure()->set_reason(snapshot.failure_reason);
    out.mutable_failure()->set_message(snapshot.failure_message);
  }
  return out;
}

absl::StatusOr<SnapshotFilter> FilterOf(const v1::ListSnapshotsRequest& request) {
  SnapshotFilter filter = {
      .event = request.event(), .organization = request.organization(), .states = {}};
  if (!filter.event.empty()) {
    RETURN_IF_ERROR(names::EventName::Parse(filter.event, "event").status());
  }
  if (!filter.organization.empty()) {
    RETURN_IF_ERROR(names::OrganizationName::Parse(filter.organization, "organization").status());
  }
  for (const int state : request.state()) {
    if (!v1::Snapshot::State_IsValid(state) || state == v1::Snapshot::STATE_UNSPECIFIED) {
      return status::FieldInvalid("state", "is not a state of a snapshot");
    }
    filter.states.emplace_back(ToString(static_cast<State>(state)));
  }
  return filter;
}

v1::DatasetDiff ToProto(const std::string& dataset, const DiffCounts& counts, int64_t base_version,
                        int64_t other_version) {
  v1::DatasetDiff out;
  out.set_dataset("datasets/" + dataset);
  out.set_added(counts.added);
  out.set_removed(counts.removed);
  out.set_changed(counts.changed);
  out.set_base_version(base_version);
  out.set_other_version(other_version);
  return out;
}

v1::RecordDiff ToProto(const std::string& dataset, const RecordDifference& difference,
                       const std::map<std::string, std::string>& base,
                       const std::map<std::string, std::string>& other) {
  v1::RecordDiff out;
  out.set_dataset("datasets/" + dataset);
  out.set_record_key(difference.record_key);
  if (!difference.school_id.empty()) out.set_school("organizations/" + difference.school_id);
  out.set_kind(KindOf(difference));
  std::set<std::string> columns;
  for (const auto& [column, value] : base) columns.insert(column);
  for (const auto& [column, value] : other) columns.insert(column);
  for (const std::string& column : columns) {
    const auto before = base.find(column);
    const auto after = other.find(column);
    if (before != base.end() && after != other.end() && before->second == after->second) continue;
    v1::RecordDiff::Column* to = out.add_columns();
    to->set_column(column);
    if (before != base.end()) to->set_before(before->second);
    if (after != other.end()) to->set_after(after->second);
  }
  return out;
}

}  // namespace edcert::snapshot
