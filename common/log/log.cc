#include "common/log/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <nlohmann/json.hpp>

namespace edcert::log {
namespace {

thread_local std::string request_id;
std::string service_name;  // set once by Start, before threads exist

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("edcert",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    // The message is the rest of the JSON object.
    made->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)",
                      spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

void Write(spdlog::level::level_enum level, std::string_view message, const Fields& fields) {
  if (!Logger().should_log(level)) return;
  nlohmann::ordered_json line;
  line["service"] = service_name;
  line["message"] = message;
  if (!request_id.empty()) line["request_id"] = request_id;
  for (const auto& [name, value] : fields) line[std::string(name)] = value;
  const std::string text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  Logger().log(level, std::string_view(text).substr(1));
}

}  // namespace

void Start(std::string_view service, std::string_view level) {
  service_name = std::string(service);
  Logger().set_level(spdlog::level::from_str(std::string(level.empty() ? "info" : level)));
}

void Debug(std::string_view message, const Fields& fields) {
  Write(spdlog::level::debug, message, fields);
}
void Info(std::string_view message, const Fields& fields) {
  Write(spdlog::level::info, message, fields);
}
void Warning(std::string_view message, const Fields& fields) {
  Write(spdlog::level::warn, message, fields);
}
void Error(std::string_view message, const Fields& fields) {
  Write(spdlog::level::err, message, fields);
}

RequestScope::RequestScope(std::string_view id) { request_id = std::string(id); }
RequestScope::~RequestScope() { request_id.clear(); }

}  // namespace edcert::log
