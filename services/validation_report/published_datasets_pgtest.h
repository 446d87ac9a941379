// For the tests of validation_report: tables in place of the published views of the datasets.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "common/pg/pg.h"
#include "common/status/macros.h"
#include "services/validation_report/definition.h"

namespace edcert::validation_report {

// Tests run in the root of the source tree.
inline std::string ReadTestFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  CHECK(!text.str().empty());
  return text.str();
}

// A definition of the dataset service, as far as a rule may see it.
struct PublishedDataset {
  std::string id;
  std::string school_column;
  std::string keeper = "SOURCE";
  std::vector<std::string> key_columns;
  std::vector<std::pair<std::string, std::string>> columns;  // name and type
  std::map<std::string, std::string> digits;                 // of decimals: `precision, scale`
};

// Reads one of services/dataset/definitions: text format with one field a line.
inline PublishedDataset ReadDefinitionFile(const std::string& path) {
  PublishedDataset dataset;
  std::istringstream lines(ReadTestFile(path));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    const std::string field = line.substr(0, colon);
    std::string value = line.substr(colon + 2);
    std::erase(value, '"');
    if (field == "id") dataset.id = value;
    if (field == "school_column") dataset.school_column = value;
    if (field == "keeper") dataset.keeper = value;
    if (field == "key_columns") dataset.key_columns.push_back(value);
    if (field == "  name") dataset.columns.emplace_back(value, "");
    if (field == "  type") dataset.columns.back().second = value;
    if (field == "  precision") dataset.digits[dataset.columns.back().first] = value;
    if (field == "  scale") dataset.digits[dataset.columns.back().first] += ", " + value;
  }
  CHECK(!dataset.id.empty() && !dataset.columns.empty());
  return dataset;
}

// The built-in datasets, ordered by id.
inline std::vector<PublishedDataset> PublishedDatasets() {
  std::vector<PublishedDataset> datasets;
  for (const auto& file : std::filesystem::directory_iterator("services/dataset/definitions")) {
    if (file.path().filename() == "codes.textproto") continue;  // what columns hold
    datasets.push_back(ReadDefinitionFile(file.path()));
  }
  std::sort(datasets.begin(), datasets.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return datasets;
}

// The ids of these, and of what was certified of them a year ago.
inline std::vector<std::string> PublishedIds() {
  std::vector<std::string> ids;
  for (const PublishedDataset& dataset : PublishedDatasets()) {
    ids.push_back(dataset.id);
    ids.push_back(std::string(kLastYear) + dataset.id);
  }
  return ids;
}

// Tables in place of the published views.
inline void PublishDatasets(pg::Connection& owner) {
  static const std::map<std::string, std::string> kTypes = {
      {"STRING", "text"},  {"INT64", "bigint"},          {"DECIMAL", "numeric"}, {"DATE", "date"},
      {"BOOL", "boolean"}, {"TIMESTAMP", "timestamptz"}, {"CODE", "text"},       {"CODES", "text"}};
  std::string sql = ReadTestFile("services/validation_report/testdata/dataset_read.sql");
  for (const PublishedDataset& dataset : PublishedDatasets()) {
    sql += fmt::format("INSERT INTO dataset_read.dataset_definition VALUES ('{}', '{}', '{}');\n",
                       dataset.id, dataset.school_column, dataset.keeper);
    std::string columns;
    std::string names = "copy, district_id, record_key, valid_from, valid_to, row_hash";
    bool has_school = false;
    int ordinal = 0;
    for (const auto& [name, type] : dataset.columns) {
      sql +=
          fmt::format("INSERT INTO dataset_read.column_definition VALUES ('{}', {}, '{}', '{}');\n",
                      dataset.id, ++ordinal, name, type);
      columns += fmt::format(", \"{}\" {}", name, kTypes.at(type));
      names += fmt::format(", \"{}\"", name);
      if (dataset.digits.contains(name)) columns += fmt::format("({})", dataset.digits.at(name));
      has_school = has_school || name == "school_id";
    }
    if (!has_school) {
      columns += ", school_id text";
      names += ", school_id";
    }
    sql += fmt::format(
        "CREATE TABLE dataset_read.{} (copy text NOT NULL, district_id text NOT NULL,"
        " record_key text COLLATE \"C\" NOT NULL, valid_from bigint NOT NULL DEFAULT 1,"
        " valid_to bigint NOT NULL DEFAULT 9223372036854775807,"
        " row_hash bytea NOT NULL DEFAULT ''{},"
        " PRIMARY KEY (copy, district_id, record_key, valid_from));\n",
        dataset.id, columns);
    sql += fmt::format(
        "CREATE VIEW rule_read.{0} WITH (security_barrier = true) AS SELECT {1} FROM"
        " dataset_read.{0} WHERE district_id = current_setting('edcert.district', true);\n",
        dataset.id, names);
  }
  sql +=
      "GRANT USAGE ON SCHEMA dataset_read TO validation;"
      "GRANT SELECT ON ALL TABLES IN SCHEMA dataset_read TO validation;"
      "GRANT USAGE ON SCHEMA rule_read TO rule_exec;"
      "GRANT SELECT ON ALL TABLES IN SCHEMA rule_read TO rule_exec;";
  CHECK(owner.RunScript(sql).ok());
}

}  // namespace edcert::validation_report
