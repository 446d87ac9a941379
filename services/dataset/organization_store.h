// The state's organisations as event_registry's feed tells them: which schools are whose.
#pragma once

#include <string>

#include "common/pg/pg.h"

namespace edcert::dataset {

struct Organization {
  std::string id;
  std::string kind;    // SCHOOL, DISTRICT, ...
  std::string parent;  // id; empty when there is none
  std::string display_name;
};

// Takes an organisation over from event_registry, in place of what was known of it.
void PutOrganization(pg::Transaction& tx, const Organization& organization);

}  // namespace edcert::dataset
