// A numbered schema change, embedded from a migrations folder by tools/embed_sql.py.
#pragma once

#include <string_view>

namespace edcert::pg {

struct Migration {
  int number;
  std::string_view name;
  std::string_view up;        // SQL; `${schema}` stands for the service's schema
  std::string_view checksum;  // SHA-256 of the file, hex
};

}  // namespace edcert::pg
