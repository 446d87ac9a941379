const char* a = "SELECT 1";
const char* b = R"sql(
  UPDATE t SET a = 1)sql";
const char* c = "Select a row.";
const char* d = "DELETED";
