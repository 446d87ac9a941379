#include "services/dataset/organization_store.h"

#include "services/dataset/sql/organization.sql.h"

namespace edcert::dataset {

void PutOrganization(pg::Transaction& tx, const Organization& organization) {
  tx.Defer(sql::kPut, organization.id, organization.kind, organization.parent,
           organization.display_name);
}

}  // namespace edcert::dataset
