// The published vocabulary of resource names: one type per pattern, parsed at the edge.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace edcert::names {

inline constexpr std::size_t kMaxIdLength = 63;

// Whether `id` is 1 to 63 lower-case letters, digits, hyphens and underscores.
bool IsId(std::string_view id);

// OK when `id` is a valid id; else FIELD_INVALID for `field`.
absl::Status CheckId(std::string_view id, std::string_view field);

namespace internal {

template <std::size_t N>
struct FixedString {
  constexpr FixedString(const char (&text)[N]) { std::copy_n(text, N, value); }  // NOLINT: literal
  char value[N];
};

// The id in `<collection>/<id>`; FIELD_INVALID for `field` when the text has another form.
absl::StatusOr<std::string> ParseSimple(std::string_view collection, std::string_view text,
                                        std::string_view field);

}  // namespace internal

// `<collection>/<id>`. Values are valid by construction.
template <internal::FixedString kCollection>
class Name {
 public:
  static constexpr std::string_view collection() { return kCollection.value; }

  static absl::StatusOr<Name> Parse(std::string_view text, std::string_view field) {
    absl::StatusOr<std::string> id = internal::ParseSimple(kCollection.value, text, field);
    if (!id.ok()) return id.status();
    return Name(*std::move(id));
  }
  // For ids that come from our own tables or id source.
  static Name FromId(std::string_view id) { return Name(std::string(id)); }

  const std::string& id() const { return id_; }
  std::string ToString() const { return std::string(kCollection.value) + "/" + id_; }

  friend bool operator==(const Name&, const Name&) = default;
  friend auto operator<=>(const Name&, const Name&) = default;

 private:
  explicit Name(std::string id) : id_(std::move(id)) {}
  std::string id_;
};

using OrganizationName = Name<"organizations">;
using UserName = Name<"users">;
using ServiceName = Name<"services">;
using CategoryName = Name<"categories">;
using EventName = Name<"events">;
using DatasetName = Name<"datasets">;
using RuleName = Name<"rules">;
using RuleGroupName = Name<"ruleGroups">;
using ReportName = Name<"reports">;
using SnapshotName = Name<"snapshots">;
using WaiverName = Name<"waivers">;
using ResyncName = Name<"resyncs">;
using CertificationName = Name<"certifications">;

// `<parent>/<id>/<child>/<id>`.
template <internal::FixedString kParent, internal::FixedString kChild>
class ChildName {
 public:
  static absl::StatusOr<ChildName> Parse(std::string_view text, std::string_view field) {
    const std::size_t first = text.find('/');
    const std::size_t second = first == std::string_view::npos ? first : text.find('/', first + 1);
    absl::StatusOr<std::string> parent =
        internal::ParseSimple(kParent.value, text.substr(0, second), field);
    if (!parent.ok()) return parent.status();
    absl::StatusOr<std::string> id = internal::ParseSimple(
        kChild.value, second == std::string_view::npos ? "" : text.substr(second + 1), field);
    if (!id.ok()) return id.status();
    return ChildName(*std::move(parent), *std::move(id));
  }
  static ChildName FromIds(std::string_view parent, std::string_view id) {
    return ChildName(std::string(parent), std::string(id));
  }

  const std::string& parent_id() const { return parent_; }
  const std::string& id() const { return id_; }
  std::string ToString() const {
    return std::string(kParent.value) + "/" + parent_ + "/" + kChild.value + "/" + id_;
  }

  friend bool operator==(const ChildName&, const ChildName&) = default;

 private:
  ChildName(std::string parent, std::string id) : parent_(std::move(parent)), id_(std::move(id)) {}
  std::string parent_;
  std::string id_;
};

using MemberName = ChildName<"categories", "members">;
using MessageName = ChildName<"users", "messages">;

}  // namespace edcert::names
