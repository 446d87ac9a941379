#include "services/validation_report/columnar/keys.h"

#include <algorithm>
#include <bit>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace edcert::validation_report::columnar {
namespace {

constexpr int kMaxBits = 63;  // kNoKey is no key
// Keys looked up at once, so that the memory of the next ones is on its way.
constexpr std::size_t kAhead = 16;

// Spreads keys over slots.
uint64_t Mix(uint64_t key) {
  key *= 0x9E37'79B9'7F4A'7C15U;
  return key ^ (key >> 32U);
}

std::size_t SlotsFor(std::size_t count) {
  return std::bit_ceil(std::max(count * 2, std::size_t{64}));
}

}  // namespace

KeyNumbers::KeyNumbers(std::size_t expected) : slots_(SlotsFor(expected)) {}

void KeyNumbers::Number(std::vector<uint64_t>& keys, bool add) {
  for (std::size_t begin = 0; begin < keys.size(); begin += kAhead) {
    const std::size_t end = std::min(begin + kAhead, keys.size());
    if (add && (count_ + kAhead) * 2 > slots_.size()) Grow();
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = begin; i < end; ++i) __builtin_prefetch(&slots_[Mix(keys[i]) & mask]);
    for (std::size_t i = begin; i < end; ++i) {
      if (keys[i] == kNoKey) continue;
      std::size_t slot = Mix(keys[i]) & mask;
      while (slots_[slot].key != keys[i] && slots_[slot].key != kNoKey) slot = (slot + 1) & mask;
      if (slots_[slot].key == kNoKey) {
        if (!add) {
          keys[i] = kNoKey;
          continue;
        }
        slots_[slot] = {keys[i], count_++};
      }
      keys[i] = slots_[slot].number;
    }
  }
}

void KeyNumbers::Grow() {
  std::vector<Slot> slots(slots_.size() * 2);
  const std::size_t mask = slots.size() - 1;
  for (const Slot& each : slots_) {
    if (each.key == kNoKey) continue;
    std::size_t slot = Mix(each.key) & mask;
    while (slots[slot].key != kNoKey) slot = (slot + 1) & mask;
    slots[slot] = each;
  }
  slots_ = std::move(slots);
}

const Translation& Translations::Get(const Column& from, const Column& to) {
  const auto [it, added] = made_.try_emplace({&from, &to});
  if (!added) return it->second;
  absl::flat_hash_map<std::string_view, uint32_t> places;
  places.reserve(to.words.size());
  for (uint32_t place = 0; place < to.words.size(); ++place) places.emplace(to.words[place], place);
  Translation& translation = it->second;
  translation.resize(from.words.size(), kNoKey);
  for (uint32_t place = 0; place < from.words.size(); ++place) {
    const auto found = places.find(from.words[place]);
    if (found != places.end()) translation[place] = found->second;
  }
  return translation;
}

std::optional<KeySpace> KeySpace::Of(std::vector<const Column*> columns, std::size_t rows,
                                     bool null_is_value) {
  KeySpace space;
  space.keys_.assign(rows, 0);
  for (const Column* column : columns) {
    if (!column->decimals.empty()) return std::nullopt;
    Part part{.column = column, .base = column->values.min()};
    // One value more than there are, for NULL. A text's NULL is among them.
    const auto range = static_cast<uint64_t>(column->values.max() - part.base) + 1;
    part.bits = static_cast<int>(std::bit_width(range));
    if (part.bits > kMaxBits) return std::nullopt;
    if (space.bits_ + part.bits > kMaxBits) {
      part.renumbered.emplace(rows);
      part.renumbered->Number(space.keys_, /*add=*/true);
      space.bits_ = static_cast<int>(std::bit_width(part.renumbered->count()));
      if (space.bits_ + part.bits > kMaxBits) return std::nullopt;
    }
    const bool is_text = column->type == Type::kText;
    const auto null_word = static_cast<int64_t>(column->words.size());
    column->values.Visit([&](const auto& values) {
      const bool dense = !is_text && column->nulls.empty();
      for (std::size_t i = 0; i < rows; ++i) {
        const int64_t value = values[i];
        const bool null = !dense && (is_text ? value == null_word : column->nulls[i] != 0);
        uint64_t number = static_cast<uint64_t>(value - part.base);
        if (null) number = range;
        const bool keyed = space.keys_[i] != kNoKey && (null_is_value || !null);
        space.keys_[i] = keyed ? (space.keys_[i] << part.bits) | number : kNoKey;
      }
    });
    space.bits_ += part.bits;
    space.parts_.push_back(std::move(part));
  }
  return space;
}

std::optional<std::vector<uint64_t>> KeySpace::KeysOf(const std::vector<const Column*>& others,
                                                      std::size_t rows,
                                                      Translations& translations) {
  std::vector<uint64_t> keys(rows, 0);
  for (std::size_t k = 0; k < parts_.size(); ++k) {
    Part& part = parts_[k];
    const Column& other = *others[k];
    const Column& column = *part.column;
    const bool is_text = other.type == Type::kText;
    if (other.type != column.type || other.scale != column.scale || !other.decimals.empty()) {
      return std::nullopt;
    }
    if (part.renumbered.has_value()) part.renumbered->Number(keys, /*add=*/false);
    const Translation* translation = nullptr;
    if (is_text && &other != &column) translation = &translations.Get(other, column);
    const auto null_word = static_cast<int64_t>(other.words.size());
    other.values.Visit([&](const auto& values) {
      for (std::size_t i = 0; i < rows; ++i) {
        int64_t value = values[i];
        bool null = is_text ? value == null_word : !other.nulls.empty() && other.nulls[i] != 0;
        if (!null && translation != nullptr) {
          const uint64_t place = (*translation)[static_cast<std::size_t>(value)];
          null = place == kNoKey;
          value = static_cast<int64_t>(place);
        }
        null |= value < column.values.min() || value > column.values.max();
        keys[i] = null || keys[i] == kNoKey
                      ? kNoKey
                      : (keys[i] << part.bits) | static_cast<uint64_t>(value - part.base);
      }
    });
  }
  return keys;
}

std::vector<uint32_t> RepeatedRows(const std::vector<uint64_t>& keys) {
  std::vector<uint64_t> slots(SlotsFor(keys.size()), kNoKey);
  const std::size_t mask = slots.size() - 1;
  absl::flat_hash_set<uint64_t> repeated;
  for (std::size_t begin = 0; begin < keys.size(); begin += kAhead) {
    const std::size_t end = std::min(begin + kAhead, keys.size());
    for (std::size_t i = begin; i < end; ++i) __builtin_prefetch(&slots[Mix(keys[i]) & mask], 1);
    for (std::size_t i = begin; i < end; ++i) {
      if (keys[i] == kNoKey) continue;
      std::size_t slot = Mix(keys[i]) & mask;
      while (slots[slot] != keys[i] && slots[slot] != kNoKey) slot = (slot + 1) & mask;
      if (slots[slot] == keys[i]) repeated.insert(keys[i]);
      slots[slot] = keys[i];
    }
  }
  std::vector<uint32_t> rows;
  if (repeated.empty()) return rows;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] != kNoKey && repeated.contains(keys[i])) rows.push_back(static_cast<uint32_t>(i));
  }
  return rows;
}

}  // namespace edcert::validation_report::columnar
