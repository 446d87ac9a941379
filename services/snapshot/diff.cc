#include "services/snapshot/diff.h"

#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/status/errors.h"
#include "services/snapshot/errors.h"

namespace edcert::snapshot {

std::vector<DiffPair> PairsOf(const std::vector<DataVersion>& base,
                              const std::vector<DataVersion>& other, const std::string& dataset) {
  std::map<std::string, DiffPair> pairs;
  for (const DataVersion& version : base) pairs[version.dataset].base = version.version;
  for (const DataVersion& version : other) pairs[version.dataset].other = version.version;
  std::vector<DiffPair> out;
  for (auto& [id, pair] : pairs) {
    if (!dataset.empty() && id != dataset) continue;
    pair.dataset = id;
    out.push_back(pair);
  }
  return out;
}

std::vector<std::string> DatasetsOf(const Snapshot& snapshot) {
  std::vector<std::string> ids;
  for (const DataVersion& version : snapshot.versions) ids.push_back(version.dataset);
  return ids;
}

absl::Status CheckComparable(const Snapshot& base, const Snapshot& other) {
  const bool same = base.event == other.event && base.organization == other.organization &&
                    base.district_id == other.district_id && base.school_id == other.school_id;
  return same ? absl::OkStatus() : NotComparable(base.name(), other.name());
}

std::string VersionsToText(const std::vector<DataVersion>& versions) {
  std::string text;
  for (const DataVersion& version : versions) {
    if (!text.empty()) text += ',';
    text += version.dataset + '=' + std::to_string(version.version);
  }
  return text;
}

absl::StatusOr<std::vector<DataVersion>> VersionsFromText(
    const std::string& text, const std::vector<std::string>& datasets) {
  std::vector<DataVersion> versions;
  for (const std::string& entry :
       std::vector<std::string>(absl::StrSplit(text, ',', absl::SkipEmpty()))) {
    const std::size_t equals = entry.find('=');
    DataVersion version;
    if (equals == std::string::npos ||
        !absl::SimpleAtoi(entry.substr(equals + 1), &version.version) || version.version < 0) {
      return status::PageTokenInvalid();
    }
    version.dataset = entry.substr(0, equals);
    if (versions.size() == datasets.size() || version.dataset != datasets[versions.size()]) {
      return status::PageTokenInvalid();
    }
    versions.push_back(std::move(version));
  }
  if (versions.size() != datasets.size()) return status::PageTokenInvalid();
  return versions;
}

}  // namespace edcert::snapshot
