// Keyset pagination (AIP-158): one way to read page_size and page_token.
//
// A token is made for one caller and one request, and says so under a secret of the server: what a
// token holds is what this service put there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"

namespace edcert::paging {

inline constexpr int kDefaultPageSize = 50;
inline constexpr int kMaxPageSize = 1000;

// Whose tokens this thread reads and makes, while it lives: every call that is handled has one.
class CallerScope {
 public:
  // Both outlive the scope.
  CallerScope(std::string_view secret, std::string_view caller);
  ~CallerScope();
  CallerScope(const CallerScope&) = delete;
  CallerScope& operator=(const CallerScope&) = delete;
};

// What a List reads: at most `limit` rows after `key`.
struct Page {
  int size = kDefaultPageSize;
  // Key columns of the last row of the page before; empty on the first page.
  std::vector<std::string> key;

  // How many rows to ask for: one more than the page, to know whether another follows.
  int limit() const { return size + 1; }
  // The i-th key column; empty on the first page.
  std::string Key(std::size_t i) const { return i < key.size() ? key[i] : ""; }
  // The same, read as what a list of ours puts there; PAGE_TOKEN_INVALID for anything else.
  // A number of at least 0; 0 on the first page.
  absl::StatusOr<int64_t> IntKey(std::size_t i) const;
  // A UUID; empty on the first page.
  absl::StatusOr<std::string> UuidKey(std::size_t i) const;
  // An instant that TimeText wrote; nothing on the first page.
  absl::StatusOr<std::optional<absl::Time>> TimeKey(std::size_t i) const;
};

// An instant as a key column, exact to the microsecond.
std::string TimeText(absl::Time time);

// Reads `page_size` and `page_token` of any List request. Negative sizes are FIELD_INVALID, larger
// ones are clamped; a token of another request, another caller or with another number of keys is
// PAGE_TOKEN_INVALID. Only inside a CallerScope.
absl::StatusOr<Page> Read(const google::protobuf::Message& request, std::size_t key_columns);

// The token for the page after the row with this key.
std::string NextToken(const google::protobuf::Message& request,
                      const std::vector<std::string>& key);

// Cuts `rows` to the page and sets `next_page_token` of the response when another page follows.
// `key_of` gives the key columns of a row.
template <typename Row, typename KeyOf>
std::string Cut(const google::protobuf::Message& request, const Page& page, std::vector<Row>& rows,
                KeyOf key_of) {
  if (rows.size() <= static_cast<std::size_t>(page.size)) return "";
  rows.erase(rows.begin() + page.size, rows.end());
  return NextToken(request, key_of(rows.back()));
}

}  // namespace edcert::paging
