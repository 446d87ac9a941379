// What follows the header in the stream of a push: CSV bytes or rows, hashed and encoded.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "common/rpc/upload.h"
#include "edcert/dataset/v1/dataset.pb.h"
#include "services/dataset/batch_store.h"
#include "services/dataset/csv_parser.h"
#include "services/dataset/record_encoder.h"

namespace edcert::dataset {

class Content {
 public:
  // `header_sha256` stands for the header in the hash of the content.
  Content(rpc::UploadReader<v1::PushRecordsRequest>& reader, const BatchHeader& header,
          std::string_view header_sha256);

  using Write = absl::FunctionRef<absl::Status(std::string_view)>;
  // A piece of so many bytes or more is followed by another one.
  static constexpr std::size_t kPiece = 256 << 10;

  // See RecordEncoder.
  void LeaveOut(StandingRecords* standing) { encoder_.LeaveOut(standing); }

  // Reads the rest of the stream; `write` gets a binary COPY in pieces, its end too when something
  // is wrong: then the status says what. FIELD_INVALID for `csv` or `rows`; CANCELLED when the
  // stream was cut.
  absl::Status Read(Write write);
  // Reads the rest for its hash only.
  absl::Status Skip();

  // SHA-256 of the header and the content, 32 bytes, after Read or Skip.
  std::string sha256();
  int64_t records() const { return encoder_.records(); }
  int64_t rejected() const { return encoder_.rejected(); }
  bool MayRepeatKeys() { return encoder_.MayRepeatKeys(); }

 private:
  enum class Kind { kNone, kCsv, kRows };

  absl::Status ReadAll(Write write);
  // The next message, checked and hashed; false at the end.
  absl::StatusOr<bool> Next();
  void Hash(std::string_view bytes);
  void HashRows(const v1::PushRecordsRequest::RowBatch& rows);
  absl::Status TakeRecord(int64_t line, const std::vector<std::string_view>& fields, Write write);
  absl::Status TakeRows(const v1::PushRecordsRequest::RowBatch& rows, Write write);
  // Encodes a record and hands over what has gathered: a message of 1 MiB can hold so many records
  // that their rows would be a hundred times as large.
  absl::Status Encode(int64_t line, const std::vector<std::string_view>& fields, Write write);
  // FIELD_INVALID when so much is rejected that the content cannot be of this dataset.
  absl::Status CheckRejected(int64_t line) const;

  rpc::UploadReader<v1::PushRecordsRequest>& reader_;
  v1::PushRecordsRequest message_;
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest_;
  Kind kind_ = Kind::kNone;
  CsvParser parser_;
  RecordEncoder encoder_;
  std::vector<std::string_view> fields_;
  int64_t row_ = 0;
  std::string buffer_;  // of the COPY
};

}  // namespace edcert::dataset
