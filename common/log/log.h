// Structured log: one JSON object per line on stderr.
//
// Fields are names and short values; never student data, tokens or SQL values. The request id of
// the call that the thread serves is added to every line.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace edcert::log {

using Fields = std::vector<std::pair<std::string_view, std::string>>;

// Called once by main. `level`: debug, info, warning or error.
void Start(std::string_view service, std::string_view level);

void Debug(std::string_view message, const Fields& fields);
void Info(std::string_view message, const Fields& fields);
void Warning(std::string_view message, const Fields& fields);
void Error(std::string_view message, const Fields& fields);

// Names the request that this thread serves, for its lifetime.
class RequestScope {
 public:
  explicit RequestScope(std::string_view request_id);
  ~RequestScope();
  RequestScope(const RequestScope&) = delete;
  RequestScope& operator=(const RequestScope&) = delete;
};

}  // namespace edcert::log
