// A Redis client that never makes its caller wait for a Redis that is away.
//
// Every operation is bounded by 50 ms (Wait by the time it is given). After a failure the
// connection is dropped and nothing is tried for 1 s: operations fail with UNAVAILABLE at once.
// Redis holds opaque ids and names of organizations only, never student data.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

struct redisContext;

namespace edcert::redis {

// What the server answered.
struct Reply {
  enum class Type { kNil, kInteger, kText, kArray };
  Type type = Type::kNil;
  int64_t integer = 0;
  std::string text;
  std::vector<Reply> elements;
};

// A Lua script, embedded from a .lua file. Its text lives as long as the program.
struct Script {
  std::string_view name;
  std::string_view text;
};

// One connection, opened when it is needed. Belongs to one thread at a time.
class Redis {
 public:
  struct Options {
    std::string address;    // host:port; a name is resolved without a bound, so prefer a local one
    std::string user = {};  // of the ACL; the default one when empty
    std::string password = {};  // none when empty
  };
  explicit Redis(Options options);
  ~Redis();

  // Whether the next operation would be tried.
  bool Available() const;

  // One command as a vector of arguments. UNAVAILABLE when Redis is away or refused it.
  absl::StatusOr<Reply> Run(const std::vector<std::string>& arguments);
  absl::StatusOr<Reply> RunScript(const Script& script, const std::vector<std::string>& keys,
                                  const std::vector<std::string>& arguments);
  // BLPOP: waits for an element of a list; nothing when the time passed.
  absl::StatusOr<std::optional<std::string>> Wait(const std::string& list, absl::Duration time);

 private:
  struct Free {
    void operator()(redisContext* context) const;
  };
  absl::Status Connect();
  // Sends a command on the open connection and reads its reply within `time`.
  absl::StatusOr<Reply> Send(const std::vector<std::string>& arguments, absl::Duration time);
  absl::Status Broken(std::string_view what);

  const Options options_;
  std::unique_ptr<redisContext, Free> context_;
  absl::Time retry_at_ = absl::InfinitePast();
  bool was_away_ = false;
  std::map<std::string_view, std::string> digests_;  // of loaded scripts, by name
};

}  // namespace edcert::redis
