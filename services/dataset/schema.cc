#include "services/dataset/schema.h"

#include <array>

#include "common/clock/clock.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/dataset/definition_store.h"
#include "services/dataset/growth.h"
#include "services/dataset/history_store.h"
#include "services/dataset/kept_records.h"
#include "services/dataset/record_sql.h"
#include "services/dataset/sql/table.sql.h"

namespace edcert::dataset {
namespace {

constexpr absl::Duration kTimeout = absl::Minutes(10);
struct Reader {
  const char* role;
  const char* from;  // the schema
};
// Who reads the records: the services that evaluate and freeze them, and the role of rules, which
// sees one district. What an earlier version granted it besides, binaries of that version still
// need; deploy/postgres/rule_exec.sql takes it.
constexpr std::array kReaders = {Reader{"validation", "dataset_read"},
                                 Reader{"snapshot", "dataset_read"},
                                 Reader{"rule_exec", "rule_read"}};

absl::Status InstallDataset(pg::Transaction& tx, const Dataset* known, const Dataset& builtin,
                            int64_t revision) {
  Dataset wanted = builtin;
  if (known != nullptr) {
    ASSIGN_OR_RETURN(wanted, Upgraded(*known, builtin));
    wanted.revision = known->revision;
  }
  // What is being pushed by a definition that stays may go on.
  if (known == nullptr || wanted != *known) PutDefinition(tx, wanted, revision);
  return wanted.read_only() ? InstallKept(tx, wanted) : MakeRecords(tx, wanted.id);
}

absl::Status InstallAll(pg::Transaction& tx, const Catalogue& catalogue,
                        const std::vector<Code>& codes) {
  RETURN_IF_ERROR(tx.Run(sql::kCreateReadSchema).status());
  ASSIGN_OR_RETURN(const int64_t revision, LockDefinitions(tx));
  ASSIGN_OR_RETURN(const Definitions known, ReadDefinitions(tx));
  for (const Dataset& dataset : catalogue.all()) {
    RETURN_IF_ERROR(InstallDataset(tx, known.catalogue.Find(dataset.id), dataset, revision));
  }
  for (const Code& code : codes) {
    tx.Defer(sql::kPutCode, code.list, code.code, code.label, code.valid_from, code.valid_to);
  }
  RETURN_IF_ERROR(KeepCodes(tx, catalogue).status());
  for (const pg::Statement& statement :
       {sql::kViewDataVersion, sql::kViewDatasetDefinition, sql::kViewColumnDefinition}) {
    RETURN_IF_ERROR(tx.Run(statement).status());
  }
  RETURN_IF_ERROR(tx.Run(sql::kMakeRuleViews).status());
  for (const Reader& reader : kReaders) {
    for (const pg::Statement& statement :
         {sql::kCreateReader, sql::kGrantReadSchema, sql::kGrantRead, sql::kGrantReadLater}) {
      const std::string text = Replace(statement.sql, "role", reader.role);
      RETURN_IF_ERROR(tx.RunText(Replace(text, "from", reader.from)).status());
    }
  }
  return InstallPins(tx);
}

}  // namespace

absl::Status Install(pg::Connection& owner, const Catalogue& catalogue,
                     const std::vector<Code>& codes) {
  pg::Transaction tx(owner, clock::Clock::Real().Now() + kTimeout);
  const absl::Status installed = InstallAll(tx, catalogue, codes);
  if (installed.ok()) return tx.Commit();
  tx.Rollback();
  return installed;
}

}  // namespace edcert::dataset
