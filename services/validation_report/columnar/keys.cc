#include "services/validation_report/columnar/keys.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <span>

#include "absl/container/flat_hash_map.h"

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

// Keys in pieces, so that the table of a piece stays in the cache of one core: in a table of
// millions, nearly every look costs an access to memory. Equal keys are in one piece, and of two
// sets with the same `expected` in the same.
class Pieces {
 public:
  // Without kNoKey; in each piece in the order of the rows.
  void Split(const std::vector<uint64_t>& keys, std::size_t expected) {
    bits_ = static_cast<int>(std::bit_width(expected / kKeysInPiece));
    begins_.assign((std::size_t{1} << bits_) + 1, 0);
    for (const uint64_t key : keys) {
      if (key != kNoKey) ++begins_[PieceOf(key) + 1];
    }
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    keys_.resize(begins_.back());
    rows_.resize(begins_.back());
    std::vector<uint32_t> next(begins_.begin(), begins_.end() - 1);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] == kNoKey) continue;
      const uint32_t place = next[PieceOf(keys[i])]++;
      keys_[place] = keys[i];
      rows_[place] = static_cast<uint32_t>(i);
    }
  }

  std::size_t count() const { return begins_.size() - 1; }
  std::span<const uint64_t> keys(std::size_t piece) const { return Of(keys_, piece); }
  // Where each of them stands.
  std::span<const uint32_t> rows(std::size_t piece) const { return Of(rows_, piece); }

 private:
  static constexpr std::size_t kKeysInPiece = 16'384;

  // By the bits of the hash that no table looks at.
  std::size_t PieceOf(uint64_t key) const { return (Mix(key) >> 32U) >> (32 - bits_); }
  template <typename T>
  std::span<const T> Of(const std::vector<T>& values, std::size_t piece) const {
    return std::span(values).subspan(begins_[piece], begins_[piece + 1] - begins_[piece]);
  }

  int bits_ = 0;
  std::vector<uint32_t> begins_;  // of each piece, and the end of the last
  std::vector<uint64_t> keys_;
  std::vector<uint32_t> rows_;
};

// The places of keys in one piece.
class PieceTable {
 public:
  void Start(std::span<const uint64_t> keys) {
    keys_ = keys;
    slots_.assign(SlotsFor(keys.size()), kEmpty);
  }
  // Adds the key at a place. The place of the first such key, which may be this one.
  uint32_t Add(uint32_t place) {
    uint32_t& slot = slots_[SlotOf(keys_[place])];
    if (slot == kEmpty) slot = place;
    return slot;
  }
  bool Contains(uint64_t key) const { return slots_[SlotOf(key)] != kEmpty; }

 private:
  static constexpr uint32_t kEmpty = ~uint32_t{0};

  std::size_t SlotOf(uint64_t key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = Mix(key) & mask;
    while (slots_[slot] != kEmpty && keys_[slots_[slot]] != key) slot = (slot + 1) & mask;
    return slot;
  }

  std::span<const uint64_t> keys_;
  std::vector<uint32_t> slots_;
};

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

std::optional<KeySpace> KeySpace::Of(const std::vector<const Column*>& columns, std::size_t rows,
                                     bool null_is_value, std::vector<uint64_t>& keys) {
  KeySpace space;
  keys.assign(rows, 0);
  for (const Column* column : columns) {
    if (!column->decimals.empty()) return std::nullopt;
    Part part{.column = column, .base = column->values.min()};
    // One value more than there are, for NULL. A text's NULL is among them.
    const auto range = static_cast<uint64_t>(column->values.max() - part.base) + 1;
    part.bits = static_cast<int>(std::bit_width(range));
    if (part.bits > kMaxBits) return std::nullopt;
    if (space.bits_ + part.bits > kMaxBits) {
      part.renumbered.emplace(rows);
      part.renumbered->Number(keys, /*add=*/true);
      space.bits_ = static_cast<int>(std::bit_width(part.renumbered->count()));
      if (space.bits_ + part.bits > kMaxBits) return std::nullopt;
    }
    const bool is_text = column->type == Type::kText;
    const auto null_word = static_cast<int64_t>(column->words.size());
    column->values.Visit([&](const auto& values) {
      const auto number = [&](auto is_null) {
        for (std::size_t i = 0; i < rows; ++i) {
          const int64_t value = values[i];
          const bool null = is_null(i, value);
          const uint64_t part_of_key = null ? range : static_cast<uint64_t>(value - part.base);
          const bool keyed = (keys[i] != kNoKey) & (null_is_value | !null);
          keys[i] = keyed ? (keys[i] << part.bits) | part_of_key : kNoKey;
        }
      };
      if (is_text) {
        number([&](std::size_t, int64_t value) { return value == null_word; });
      } else if (column->nulls.empty()) {
        number([](std::size_t, int64_t) { return false; });
      } else {
        number([&](std::size_t i, int64_t) { return column->nulls[i] != 0; });
      }
    });
    space.bits_ += part.bits;
    space.parts_.push_back(std::move(part));
  }
  return space;
}

bool KeySpace::KeysOf(const std::vector<const Column*>& others, std::size_t rows,
                      Translations& translations, std::vector<uint64_t>& keys) {
  keys.assign(rows, 0);
  for (std::size_t k = 0; k < parts_.size(); ++k) {
    Part& part = parts_[k];
    const Column& other = *others[k];
    const Column& column = *part.column;
    const bool is_text = other.type == Type::kText;
    if (other.type != column.type || other.scale != column.scale || !other.decimals.empty()) {
      return false;
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
  return true;
}

struct KeyMatcher::Memory {
  Pieces pieces;
  Pieces other_pieces;
  PieceTable table;
  std::vector<uint8_t> repeated;
};

KeyMatcher::KeyMatcher() : memory_(std::make_unique<Memory>()) {}

KeyMatcher::~KeyMatcher() = default;

std::vector<uint32_t> KeyMatcher::RepeatedRows(const std::vector<uint64_t>& keys) {
  auto& [pieces, other_pieces, table, repeated] = *memory_;
  pieces.Split(keys, keys.size());
  repeated.assign(keys.size(), 0);
  for (std::size_t piece = 0; piece < pieces.count(); ++piece) {
    const std::span<const uint64_t> some = pieces.keys(piece);
    const std::span<const uint32_t> rows = pieces.rows(piece);
    table.Start(some);
    for (uint32_t i = 0; i < some.size(); ++i) {
      const uint32_t first = table.Add(i);
      if (first == i) continue;
      repeated[rows[first]] = repeated[rows[i]] = 1;
    }
  }
  std::vector<uint32_t> rows;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (repeated[i] != 0) rows.push_back(static_cast<uint32_t>(i));
  }
  return rows;
}

void KeyMatcher::Find(const std::vector<uint64_t>& keys, const std::vector<uint64_t>& others,
                      std::vector<uint8_t>& found) {
  auto& [pieces, other_pieces, table, repeated] = *memory_;
  pieces.Split(keys, others.size());
  other_pieces.Split(others, others.size());
  found.assign(keys.size(), 0);
  for (std::size_t piece = 0; piece < pieces.count(); ++piece) {
    const std::span<const uint64_t> theirs = other_pieces.keys(piece);
    table.Start(theirs);
    for (uint32_t i = 0; i < theirs.size(); ++i) table.Add(i);
    const std::span<const uint64_t> some = pieces.keys(piece);
    const std::span<const uint32_t> rows = pieces.rows(piece);
    for (std::size_t i = 0; i < some.size(); ++i) found[rows[i]] = table.Contains(some[i]) ? 1 : 0;
  }
}

}  // namespace edcert::validation_report::columnar
