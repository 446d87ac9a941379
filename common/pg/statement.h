// A named SQL statement, embedded from a .sql file by tools/embed_sql.py.
#pragma once

#include <string_view>

namespace edcert::pg {

struct Statement {
  std::string_view name;  // unique in the tree: `<file>.<statement>`
  std::string_view sql;
};

}  // namespace edcert::pg
