// Certification categories: kinds of data that are certified by the same people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "common/names/names.h"
#include "services/event_registry/enum_text.h"
#include "services/event_registry/organization.h"

namespace edcert::event_registry {

// Which organisations certify.
enum class Level { kDistrict = 1, kSchool };

inline constexpr EnumText<Level, 2> kLevelText{{{
    {Level::kDistrict, "DISTRICT"},
    {Level::kSchool, "SCHOOL"},
}}};

enum class CategoryState { kDraft = 1, kPublished, kInactive };

inline constexpr EnumText<CategoryState, 3> kCategoryStateText{{{
    {CategoryState::kDraft, "DRAFT"},
    {CategoryState::kPublished, "PUBLISHED"},
    {CategoryState::kInactive, "INACTIVE"},
}}};

struct Category {
  names::CategoryName name;
  std::string title;
  std::string description;
  Level level = Level::kDistrict;
  bool active = true;
  bool restricted = false;
  // Set by the store.
  int64_t row_version = 0;
  absl::Time create_time;
  absl::Time update_time;
  std::optional<absl::Time> publish_time;

  CategoryState state() const {
    if (!publish_time.has_value()) return CategoryState::kDraft;
    return active ? CategoryState::kPublished : CategoryState::kInactive;
  }
};

// The kind of organisation that certifies at a level.
constexpr OrganizationKind KindOf(Level level) {
  return level == Level::kSchool ? OrganizationKind::kSchool : OrganizationKind::kDistrict;
}

}  // namespace edcert::event_registry
