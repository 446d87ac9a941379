// A snapshot: which data versions an organisation's records had when they were frozen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace edcert::snapshot {

// The numbers are those of the wire.
enum class State { kSealing = 1, kSealed = 2, kFailed = 3, kSuperseded = 4 };
// SEALING, SEALED, ...: as in the database.
std::string_view ToString(State state);
// INTERNAL for a text that is none: the table's CHECK has the same texts.
absl::StatusOr<State> StateFromString(std::string_view text);

enum class Origin {
  kStateScheduled = 1,
  kStateManual = 2,
  kDistrictTaken = 3,
  kDistrictRetaken = 4
};
std::string_view ToString(Origin origin);
// INTERNAL for a text that is none.
absl::StatusOr<Origin> OriginFromString(std::string_view text);

// Taken by the people of a district or school, not by the state.
constexpr bool IsLocal(Origin origin) {
  return origin == Origin::kDistrictTaken || origin == Origin::kDistrictRetaken;
}

struct DataVersion {
  std::string dataset;  // id
  int64_t version = 0;
  int64_t rows = 0;
  std::string digest;  // 32 bytes; empty until sealed
};

struct Snapshot {
  std::string id;
  std::string event;         // `events/...`
  std::string organization;  // `organizations/...`
  std::string category;      // `categories/...`, of the event
  // Whose records it holds: those of this district, and of this school of it where one is named.
  std::string district_id;
  std::string school_id;
  int generation = 0;
  Origin origin = Origin::kStateManual;
  State state = State::kSealing;
  std::vector<DataVersion> versions;  // sorted by dataset
  std::string root;                   // 32 bytes; empty until sealed
  std::string taken_by;
  absl::Time taken_at;
  std::optional<absl::Time> sealed_at;
  std::string superseded_by;  // id, or empty
  std::string previous;       // id, or empty
  std::string failure_reason;
  std::string failure_message;

  std::string name() const { return "snapshots/" + id; }
};

// Whose snapshots a caller may see.
struct Scope {
  bool everything = false;                 // of every event and organisation
  bool all_organizations = false;          // of every organisation, but only of `events`
  std::vector<std::string> organizations;  // `organizations/...`
  std::vector<std::string> districts;      // those of them whose schools are seen too
  std::vector<std::string> events;         // `events/...`: of a local user, those he sees
};

struct SnapshotFilter {
  std::string event;
  std::string organization;
  std::vector<std::string> states;  // empty: all
};

}  // namespace edcert::snapshot
