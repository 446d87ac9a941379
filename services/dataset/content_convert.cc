#include "services/dataset/content_convert.h"

#include <fmt/format.h>

#include <array>

#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::dataset {
namespace {

constexpr std::size_t kMaxChunk = 1 << 20;
constexpr int kMaxRows = 5000;
constexpr int kMaxColumns = 300;
// From here on, a batch of which more than half is rejected is refused: what is rejected is kept as
// sync issues, and a wrong file of any size must not fill the database with them.
constexpr int64_t kManyRejected = 100'000;

std::string LengthOf(std::size_t size) {
  std::string out;
  PutInt64(out, static_cast<int64_t>(size));
  return out;
}

}  // namespace

Content::Content(rpc::UploadReader<v1::PushRecordsRequest>& reader, const BatchHeader& header,
                 std::string_view header_sha256)
    : reader_(reader),
      digest_(EVP_MD_CTX_new(), &EVP_MD_CTX_free),
      encoder_(*header.dataset, header.mode == Mode::kDelete) {
  CHECK(EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr) == 1);
  Hash(header_sha256);
}

void Content::Hash(std::string_view bytes) {
  CHECK(EVP_DigestUpdate(digest_.get(), bytes.data(), bytes.size()) == 1);
}

void Content::HashRows(const v1::PushRecordsRequest::RowBatch& rows) {
  const auto add = [this](const google::protobuf::RepeatedPtrField<std::string>& texts) {
    Hash(LengthOf(static_cast<std::size_t>(texts.size())));
    for (const std::string& text : texts) {
      Hash(LengthOf(text.size()));
      Hash(text);
    }
  };
  if (rows.columns_size() > 0) add(rows.columns());
  for (const auto& row : rows.rows()) add(row.values());
}

std::string Content::sha256() {
  std::array<unsigned char, 32> hash;
  CHECK(EVP_DigestFinal_ex(digest_.get(), hash.data(), nullptr) == 1);
  return std::string(hash.begin(), hash.end());
}

absl::StatusOr<bool> Content::Next() {
  ASSIGN_OR_RETURN(const bool any, reader_.Next(&message_));
  if (!any) return false;
  Kind kind = Kind::kNone;
  switch (message_.part_case()) {
    case v1::PushRecordsRequest::kCsv:
      if (message_.csv().size() > kMaxChunk) {
        return status::FieldInvalid("csv", "a chunk has more than 1 MiB");
      }
      kind = Kind::kCsv;
      break;
    case v1::PushRecordsRequest::kRows:
      kind = Kind::kRows;
      break;
    case v1::PushRecordsRequest::kHeader:
      return status::FieldInvalid("header", "must be the first message only");
    case v1::PushRecordsRequest::PART_NOT_SET:
      return status::FieldInvalid("part", "required");
  }
  if (kind_ == Kind::kNone) {
    kind_ = kind;
    Hash(kind == Kind::kCsv ? "csv" : "rows");
  }
  if (kind != kind_) return status::FieldInvalid("part", "must be CSV or rows, not both");
  if (kind == Kind::kCsv) {
    Hash(message_.csv());
  } else {
    HashRows(message_.rows());
  }
  return true;
}

absl::Status Content::CheckRejected(int64_t line) const {
  if (encoder_.rejected() <= kManyRejected || encoder_.rejected() <= encoder_.records() / 2) {
    return absl::OkStatus();
  }
  return status::FieldInvalid(
      kind_ == Kind::kCsv ? "csv" : "rows",
      fmt::format(
          "{} {}: more than {} records are rejected, and more than half of all; the first {}",
          kind_ == Kind::kCsv ? "line" : "row", line, kManyRejected, encoder_.first_rejected()));
}

absl::Status Content::Encode(int64_t line, const std::vector<std::string_view>& fields,
                             Write write) {
  encoder_.Encode(line, fields, buffer_);
  if (buffer_.size() < kPiece) return absl::OkStatus();
  RETURN_IF_ERROR(CheckRejected(line));
  RETURN_IF_ERROR(write(buffer_));
  buffer_.clear();
  return absl::OkStatus();
}

absl::Status Content::TakeRecord(int64_t line, const std::vector<std::string_view>& fields,
                                 Write write) {
  if (!encoder_.has_header()) return encoder_.SetHeader(fields, "csv");
  // An empty line is no record.
  if (fields.size() == 1 && fields[0].empty()) return absl::OkStatus();
  return Encode(line, fields, write);
}

absl::Status Content::TakeRows(const v1::PushRecordsRequest::RowBatch& rows, Write write) {
  if (rows.rows_size() > kMaxRows) return status::FieldInvalid("rows.rows", "must be at most 5000");
  if (encoder_.has_header() != (rows.columns_size() == 0)) {
    return status::FieldInvalid("rows.columns", "must stand in the first batch of rows only");
  }
  if (!encoder_.has_header()) {
    if (rows.columns_size() > kMaxColumns) {
      return status::FieldInvalid("rows.columns", "must be at most 300");
    }
    fields_.assign(rows.columns().begin(), rows.columns().end());
    RETURN_IF_ERROR(encoder_.SetHeader(fields_, "rows.columns"));
  }
  for (const auto& row : rows.rows()) {
    fields_.assign(row.values().begin(), row.values().end());
    RETURN_IF_ERROR(Encode(++row_, fields_, write));
  }
  return absl::OkStatus();
}

absl::Status Content::ReadAll(Write write) {
  const auto take = [this, &write](int64_t line, const std::vector<std::string_view>& fields) {
    return TakeRecord(line, fields, write);
  };
  while (true) {
    ASSIGN_OR_RETURN(const bool any, Next());
    if (!any) break;
    RETURN_IF_ERROR(kind_ == Kind::kCsv ? parser_.Parse(message_.csv(), take)
                                        : TakeRows(message_.rows(), write));
  }
  if (kind_ == Kind::kCsv) RETURN_IF_ERROR(parser_.Finish(take));
  if (!encoder_.has_header()) {
    return status::FieldInvalid(kind_ == Kind::kRows ? "rows.columns" : "csv",
                                "the names of the columns are missing");
  }
  encoder_.Finish(buffer_);
  return write(buffer_);
}

absl::Status Content::Read(Write write) {
  RETURN_IF_ERROR(write(RecordEncoder::CopyHeader()));
  const absl::Status read = ReadAll(write);
  const absl::Status ended = write(RecordEncoder::CopyTrailer());
  return read.ok() ? ended : read;
}

absl::Status Content::Skip() {
  while (true) {
    ASSIGN_OR_RETURN(const bool any, Next());
    if (!any) return absl::OkStatus();
  }
}

}  // namespace edcert::dataset
