#include "services/validation_report/columnar/reader.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "common/status/macros.h"
#include "services/validation_report/rule_sql.h"
#include "services/validation_report/sql/evaluate.sql.h"

namespace edcert::validation_report::columnar {
namespace {

// Rows between two looks at the memory.
constexpr std::size_t kRowsPerLook = 4096;
// Of PostgreSQL's binary COPY: the signature, flags and the length of an extension.
constexpr std::size_t kHeaderBytes = 19;
// 0001-01-01 and 9999-12-31 in days since 2000-01-01, what a dataset takes; beyond lies infinity.
constexpr int64_t kFirstDate = -730'119;
constexpr int64_t kLastDate = 2'921'939;

// Reads big-endian numbers off the front of some bytes.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  std::optional<T> Take() {
    if (bytes_.size() < sizeof(T)) return std::nullopt;
    std::make_unsigned_t<T> value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value = static_cast<std::make_unsigned_t<T>>((uint64_t{value} << 8U) |
                                                   static_cast<unsigned char>(bytes_[i]));
    }
    bytes_.remove_prefix(sizeof(T));
    return static_cast<T>(value);
  }
  std::optional<std::string_view> Take(std::size_t count) {
    if (bytes_.size() < count) return std::nullopt;
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

 private:
  std::string_view bytes_;
};

// Nothing for NaN, infinity and what is too long.
std::optional<Decimal> DecimalOf(std::string_view field) {
  constexpr int16_t kNegative = 0x4000;
  constexpr int kMostPlaces = 6;   // 18 digits around a point
  constexpr int kMostDigits = 38;  // of an __int128
  Bytes bytes(field);
  const auto places = bytes.Take<int16_t>();
  const auto weight = bytes.Take<int16_t>();
  const auto sign = bytes.Take<int16_t>();
  const auto scale = bytes.Take<int16_t>();
  if (!scale.has_value() || *places > kMostPlaces || (*sign != 0 && *sign != kNegative)) {
    return std::nullopt;
  }
  Decimal value{0, *scale};
  for (int i = 0; i < *places; ++i) {
    const auto digit = bytes.Take<int16_t>();
    if (!digit.has_value()) return std::nullopt;
    value.digits = value.digits * 10'000 + *digit;
  }
  int power = *places == 0 ? 0 : (*weight - *places + 1) * 4 + *scale;
  if (power > 18 || power < -18 || *places * 4 + power > kMostDigits) return std::nullopt;
  for (; power > 0; --power) value.digits *= 10;
  for (; power < 0; ++power) value.digits /= 10;
  if (*sign == kNegative) value.digits = -value.digits;
  return value;
}

std::optional<Type> TypeOf(ColumnType type) {
  switch (type) {
    case ColumnType::kString:
    case ColumnType::kCode:
    case ColumnType::kCodes:
      return Type::kText;
    case ColumnType::kInt64:
      return Type::kInt8;
    case ColumnType::kDecimal:
      return Type::kNumeric;
    case ColumnType::kDate:
      return Type::kDate;
    case ColumnType::kBool:
      return Type::kBool;
    case ColumnType::kTimestamp:
      break;
  }
  return std::nullopt;
}

// A table and what it takes.
struct Held {
  Table table;
  Share share;
};

// Takes one table out of a COPY.
class Reader {
 public:
  // `grow` makes the share larger, or says that it cannot be.
  Reader(const Definition& definition, const std::set<std::string>& columns, Share share,
         std::function<bool(Share&, std::size_t)> grow)
      : share_(std::move(share)), grow_(std::move(grow)) {
    for (const std::string& name : columns) {
      const std::optional<Type> type = TypeOf(definition.Find(name)->type);
      if (!type.has_value()) continue;
      names_.push_back(name);
      types_.push_back(*type);
      builders_.emplace_back(*type);
    }
  }

  const std::vector<std::string>& names() const { return names_; }

  // False when the table cannot be held.
  bool Take(std::string_view data) {
    Bytes bytes(data);
    if (!begun_) {
      begun_ = true;
      // The header comes with the first row.
      if (!bytes.Take(kHeaderBytes).has_value()) return false;
    }
    const auto fields = bytes.Take<int16_t>();
    if (!fields.has_value() || *fields < 0) return true;  // the end
    return TakeRow(bytes);
  }

  bool FitsMemory() {
    std::size_t bytes = table_.keys.bytes() + school_.bytes();
    for (const ColumnBuilder& builder : builders_) bytes += builder.bytes();
    return table_.rows < 0xFFFF'FFF0U && grow_(share_, bytes);
  }

  std::shared_ptr<const Table> Finish(bool bytewise_order) && {
    table_.bytewise_order = bytewise_order;
    table_.school = std::move(school_).Finish();
    for (std::size_t i = 0; i < names_.size(); ++i) {
      // What the column was built of goes with its builder, before the next one is finished.
      table_.columns.emplace(names_[i], ColumnBuilder(std::move(builders_[i])).Finish());
    }
    share_.Set(table_.bytes());
    const auto held = std::make_shared<Held>(std::move(table_), std::move(share_));
    return {held, &held->table};
  }

 private:
  bool TakeRow(Bytes& bytes) {
    const auto key_size = bytes.Take<int32_t>();
    if (!key_size.has_value() || *key_size < 0) return false;
    const auto key = bytes.Take(static_cast<std::size_t>(*key_size));
    if (!key.has_value() || !table_.keys.Append(*key)) return false;
    if (!TakeField(bytes, Type::kText, school_)) return false;
    for (std::size_t i = 0; i < builders_.size(); ++i) {
      if (!TakeField(bytes, types_[i], builders_[i])) return false;
    }
    ++table_.rows;
    return table_.rows % kRowsPerLook != 0 || FitsMemory();
  }

  static bool TakeField(Bytes& bytes, Type type, ColumnBuilder& builder) {
    const auto size = bytes.Take<int32_t>();
    if (!size.has_value()) return false;
    if (*size < 0) {
      builder.AddNull();
      return true;
    }
    const auto field = bytes.Take(static_cast<std::size_t>(*size));
    if (!field.has_value()) return false;
    Bytes value(*field);
    switch (type) {
      case Type::kText:
        return builder.AddText(*field);
      case Type::kNumeric: {
        const std::optional<Decimal> decimal = DecimalOf(*field);
        return decimal.has_value() && builder.AddDecimal(*decimal);
      }
      case Type::kInt8: {
        const auto number = value.Take<int64_t>();
        if (number.has_value()) builder.AddNumber(*number);
        return number.has_value();
      }
      case Type::kDate: {
        const auto days = value.Take<int32_t>();
        if (!days.has_value() || *days < kFirstDate || *days > kLastDate) return false;
        builder.AddNumber(*days);
        return true;
      }
      case Type::kBool: {
        const auto truth = value.Take<int8_t>();
        if (truth.has_value()) builder.AddNumber(*truth);
        return truth.has_value();
      }
      case Type::kInt4:
      case Type::kFloat8:
      case Type::kMidnight:
        break;
    }
    return false;
  }

  Share share_;
  std::function<bool(Share&, std::size_t)> grow_;
  bool begun_ = false;
  std::vector<std::string> names_;
  std::vector<Type> types_;
  std::vector<ColumnBuilder> builders_;
  ColumnBuilder school_{Type::kText};
  Table table_;
};

bool HasColumns(const Table& table, const std::vector<std::string>& columns,
                const Definition& definition) {
  return std::all_of(columns.begin(), columns.end(), [&](const std::string& name) {
    return table.Find(name) != nullptr || !TypeOf(definition.Find(name)->type).has_value();
  });
}

}  // namespace

std::shared_ptr<const Table> TableCache::Find(const std::string& source,
                                              const Definition& definition,
                                              const std::vector<std::string>& columns) {
  absl::MutexLock lock(&mutex_);
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& entry) { return entry.source == source; });
  if (it == entries_.end() || !HasColumns(*it->table, columns, definition)) return nullptr;
  entries_.splice(entries_.begin(), entries_, it);
  return it->table;
}

absl::StatusOr<std::shared_ptr<const Table>> TableCache::Get(
    pg::Database db, const std::string& district, const std::string& source,
    const Definition& definition, const std::vector<std::string>& columns) {
  if (std::shared_ptr<const Table> table = Find(source, definition, columns)) return table;
  std::set<std::string> wanted(columns.begin(), columns.end());
  {
    absl::MutexLock lock(&mutex_);
    const auto it = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& entry) { return entry.source == source; });
    if (it != entries_.end()) {
      // Others need its columns: read those too, so that the two do not take turns. It goes first.
      for (const auto& [name, column] : it->table->columns) wanted.insert(name);
      entries_.splice(entries_.end(), entries_, it);
    }
  }
  std::optional<Reader> reader;
  bool fits = true;
  bool bytewise = false;
  const absl::Status read = db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    reader.emplace(definition, wanted, Share(sum_),
                   [this](Share& share, std::size_t bytes) { return Grow(share, bytes); });
    tx.Defer(sql::kReadOnly);
    tx.Defer(sql::kLimitTime);
    tx.Defer({"", SetDistrict(district)});
    ASSIGN_OR_RETURN(const pg::Result order, tx.Run(sql::kBytewiseOrder));
    bytewise = order[0].Bool("bytewise");
    return tx.CopyOut(CopyOfRows(source, reader->names()), [&](std::string_view data) {
      fits = reader->Take(data);
      return fits ? absl::OkStatus() : absl::ResourceExhaustedError("columns");
    });
  });
  if (!fits || (read.ok() && !reader->FitsMemory())) return std::shared_ptr<const Table>();
  RETURN_IF_ERROR(read);
  std::shared_ptr<const Table> table = std::move(*reader).Finish(bytewise);
  Keep(source, table);
  return table;
}

bool TableCache::Grow(Share& share, std::size_t bytes) {
  absl::MutexLock lock(&mutex_);
  const auto fits = [&] { return *sum_ - share.bytes() + bytes <= max_bytes_; };
  for (auto it = entries_.end(); !fits() && it != entries_.begin();) {
    --it;
    // One that somebody has would still be there.
    if (it->table.use_count() == 1) it = entries_.erase(it);
  }
  if (!fits()) return false;
  share.Set(bytes);
  return true;
}

void TableCache::Keep(const std::string& source, std::shared_ptr<const Table> table) {
  absl::MutexLock lock(&mutex_);
  entries_.remove_if([&](const Entry& entry) { return entry.source == source; });
  entries_.push_front({source, std::move(table)});
}

}  // namespace edcert::validation_report::columnar
