#include "services/dataset/record_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::dataset {
namespace {

constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kMaxKeyBytes = 1000;  // fits an index entry
// Keys whose hashes are kept: 16 MiB.
constexpr std::size_t kMaxKeyHashes = 2 << 20;
constexpr int16_t kFixedColumns = 6;  // line, reason, column_name, message, record_key, row_hash
constexpr std::string_view kSchoolId = "school_id";

// The signature of binary COPY, flags, length of the header's extension.
constexpr std::string_view kCopyHeader("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19);
constexpr std::string_view kCopyTrailer("\xff\xff", 2);

void PutNull(std::string& out) { PutInt32(out, -1); }

void PutText(std::string& out, std::string_view text) {
  PutInt32(out, static_cast<int32_t>(text.size()));
  out.append(text);
}

// It ends the row of a record.
std::string_view HashOf(std::string_view row) { return row.substr(row.size() - kHashBytes); }

bool HasExtraSchool(const Dataset& dataset) { return dataset.Find(kSchoolId) < 0; }

void AppendKeyPart(std::string& key, std::string_view part) {
  for (const char c : part) {
    if (c == '|' || c == '\\') key += '\\';
    key += c;
  }
}

std::array<unsigned char, kHashBytes> Hash(EVP_MD_CTX* context, std::string_view bytes) {
  std::array<unsigned char, kHashBytes> hash;
  // Fetched once: looking the algorithm up costs more than hashing a row.
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(EVP_DigestInit_ex(context, kSha256, nullptr) == 1 &&
        EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1 &&
        EVP_DigestFinal_ex(context, hash.data(), nullptr) == 1);
  return hash;
}

}  // namespace

std::string BatchColumns(const Dataset& dataset) {
  std::string out = "line, reason, column_name, message";
  for (const Column& column : dataset.columns) out += fmt::format(", \"{}\"", column.name);
  if (HasExtraSchool(dataset)) out += ", school_id";
  return out + ", record_key, row_hash";
}

std::string_view RecordEncoder::CopyHeader() { return kCopyHeader; }
std::string_view RecordEncoder::CopyTrailer() { return kCopyTrailer; }

RecordEncoder::RecordEncoder(const Dataset& dataset, bool keys_only)
    : dataset_(dataset),
      keys_only_(keys_only),
      extra_school_(HasExtraSchool(dataset)),
      ranges_(dataset.columns.size()),
      digest_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  for (std::size_t i = 0; i < dataset.columns.size(); ++i) is_key_.push_back(dataset.IsKey(i));
}

absl::Status RecordEncoder::SetHeader(const std::vector<std::string_view>& names,
                                      std::string_view field) {
  std::vector<int> sources(dataset_.columns.size(), -1);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const int column = dataset_.Find(names[i]);
    // The name comes from outside: it is not repeated when it may be a value.
    if (column < 0) {
      return status::FieldInvalid(
          field, fmt::format("column {} of the header is not one of {}", i + 1, dataset_.id));
    }
    int& source = sources[static_cast<std::size_t>(column)];
    if (source >= 0) {
      return status::FieldInvalid(
          field, fmt::format("column {} stands twice in the header",
                             dataset_.columns[static_cast<std::size_t>(column)].name));
    }
    source = static_cast<int>(i);
  }
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const bool needed = keys_only_ ? is_key_[i] != 0 : dataset_.columns[i].required;
    if (needed && sources[i] < 0) {
      return status::FieldInvalid(
          field, fmt::format("required column {} is missing", dataset_.columns[i].name));
    }
  }
  sources_ = std::move(sources);
  fields_ = names.size();
  return absl::OkStatus();
}

bool RecordEncoder::EncodeColumns(const std::vector<std::string_view>& fields, std::string& copy,
                                  Failure& failure) {
  bool ok = true;
  for (std::size_t i = 0; i < dataset_.columns.size(); ++i) {
    const Column& column = dataset_.columns[i];
    const bool read = sources_[i] >= 0 && (!keys_only_ || is_key_[i] != 0);
    const std::string_view text =
        read ? fields[static_cast<std::size_t>(sources_[i])] : std::string_view();
    const std::size_t length_at = canonical_.size();
    PutInt32(canonical_, -1);
    ranges_[i] = {canonical_.size(), canonical_.size()};
    ValueError error = ValueError::kNone;
    if (text.empty()) {
      PutNull(copy);
      const bool needed = keys_only_ ? is_key_[i] != 0 : column.required;
      if (needed) error = ValueError::kMissing;
    } else {
      error = parser_.Parse(column, text, canonical_, copy);
      if (error == ValueError::kNone) {
        ranges_[i].end = canonical_.size();
        canonical_end_ = canonical_.size();
        const auto length = static_cast<uint32_t>(ranges_[i].end - ranges_[i].begin);
        for (int byte = 0; byte < 4; ++byte) {
          canonical_[length_at + static_cast<std::size_t>(byte)] =
              static_cast<char>((length >> (24 - 8 * byte)) & 0xFF);
        }
      } else {
        canonical_.resize(ranges_[i].begin);
      }
    }
    if (error != ValueError::kNone && ok) {
      // The first one is reported; the rest is read all the same, for the key.
      failure = {ReasonOf(error), column.name, MessageOf(error, column)};
      ok = false;
    }
  }
  return ok;
}

bool RecordEncoder::MakeKey() {
  key_.clear();
  for (const std::size_t column : dataset_.key) {
    const Range& range = ranges_[column];
    if (range.begin == range.end) return false;
    if (column != dataset_.key.front()) key_ += '|';
    AppendKeyPart(key_, std::string_view(canonical_).substr(range.begin, range.end - range.begin));
  }
  return true;
}

void RecordEncoder::WriteReject(int64_t line, const Failure& failure, bool has_key,
                                std::string& copy) {
  PutInt16(copy,
           static_cast<int16_t>(kFixedColumns + dataset_.columns.size() + (extra_school_ ? 1 : 0)));
  PutInt32(copy, 8);
  PutInt64(copy, line);
  PutText(copy, failure.reason);
  PutText(copy, failure.column);
  PutText(copy, failure.message);
  for (std::size_t i = 0; i < dataset_.columns.size(); ++i) PutNull(copy);
  if (extra_school_) PutNull(copy);
  if (has_key) {
    PutText(copy, key_);
  } else {
    PutNull(copy);
  }
  PutNull(copy);
}

bool RecordEncoder::MayRepeatKeys() {
  if (key_hashes_.size() > kMaxKeyHashes) return true;
  std::sort(key_hashes_.begin(), key_hashes_.end());
  return std::adjacent_find(key_hashes_.begin(), key_hashes_.end()) != key_hashes_.end();
}

bool RecordEncoder::WriteRecord(int64_t line, const std::vector<std::string_view>& fields,
                                std::string& copy, Failure& failure, bool& has_key) {
  if (fields.size() != fields_) {
    failure = {"FIELD_COUNT", "",
               fmt::format("the record has {} fields, the header {}", fields.size(), fields_)};
    return false;
  }
  PutInt16(copy,
           static_cast<int16_t>(kFixedColumns + dataset_.columns.size() + (extra_school_ ? 1 : 0)));
  PutInt32(copy, 8);
  PutInt64(copy, line);
  PutNull(copy);
  PutNull(copy);
  PutNull(copy);
  canonical_.clear();
  canonical_end_ = 0;
  const bool ok = EncodeColumns(fields, copy, failure);
  has_key = MakeKey();
  if (has_key && key_.size() > kMaxKeyBytes) {
    if (ok) failure = {"KEY_TOO_LONG", "", "the key has more than 1000 bytes"};
    has_key = false;
  }
  if (!ok || !has_key) return false;
  if (extra_school_ && dataset_.school < 0) PutNull(copy);
  if (extra_school_ && dataset_.school >= 0) {
    const Range& school = ranges_[static_cast<std::size_t>(dataset_.school)];
    if (school.begin == school.end) {
      PutNull(copy);
    } else {
      PutText(copy, std::string_view(canonical_).substr(school.begin, school.end - school.begin));
    }
  }
  PutText(copy, key_);
  if (key_hashes_.size() <= kMaxKeyHashes) key_hashes_.push_back(std::hash<std::string>()(key_));
  const auto hash = Hash(digest_.get(), std::string_view(canonical_).substr(0, canonical_end_));
  PutText(copy, {reinterpret_cast<const char*>(hash.data()), hash.size()});
  return true;
}

void RecordEncoder::Encode(int64_t line, const std::vector<std::string_view>& fields,
                           std::string& copy) {
  ++records_;
  row_.clear();
  std::string& row = standing_ == nullptr ? copy : row_;
  const std::size_t begin = row.size();
  Failure failure;
  bool has_key = false;
  if (!WriteRecord(line, fields, row, failure, has_key)) {
    row.resize(begin);
    if (++rejected_ == 1) first_rejected_ = fmt::format("at {}, {}", line, failure.message);
    WriteReject(line, failure, has_key, copy);
  } else if (standing_ != nullptr) {
    standing_->Prefetch(HashOf(row_));
    Finish(copy);
    waiting_.swap(row_);
    waiting_line_ = line;
  }
}

void RecordEncoder::Finish(std::string& copy) {
  if (waiting_.empty()) return;
  if (!standing_->Bring(HashOf(waiting_), waiting_line_)) copy.append(waiting_);
  waiting_.clear();
}

std::string RowHash(const std::vector<const std::string*>& texts) {
  std::string bytes;
  std::size_t end = 0;
  for (const std::string* text : texts) {
    if (text == nullptr) {
      PutNull(bytes);
    } else {
      PutText(bytes, *text);
      end = bytes.size();
    }
  }
  bytes.resize(end);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  const auto hash = Hash(context.get(), bytes);
  return std::string(hash.begin(), hash.end());
}

}  // namespace edcert::dataset
