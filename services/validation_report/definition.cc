#include "services/validation_report/definition.h"

#include <set>

#include "common/status/macros.h"

namespace edcert::validation_report {

std::vector<std::string> DatasetsOf(const std::vector<std::string>& datasets) {
  std::set<std::string> ids;
  for (const std::string& dataset : datasets) ids.emplace(DatasetOf(dataset));
  return {ids.begin(), ids.end()};
}

Definitions DefinitionsFor(const std::vector<std::string>& datasets, const Definitions& known) {
  Definitions definitions;
  for (const std::string& dataset : datasets) {
    const auto it = known.find(std::string(DatasetOf(dataset)));
    if (it == known.end()) continue;
    definitions[dataset] = it->second;
    definitions[dataset].id = dataset;
  }
  return definitions;
}

absl::StatusOr<Definitions> DefinitionSource::Get(const std::vector<std::string>& datasets) {
  ASSIGN_OR_RETURN(const Definitions known, Find(DatasetsOf(datasets)));
  return DefinitionsFor(datasets, known);
}

}  // namespace edcert::validation_report
