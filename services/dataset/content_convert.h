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

  // Reads the rest of the stream; `write` gets a binary COPY in pieces, its end too when something
  // is wrong: then the status says what. FIELD_INVALID for `csv` or `rows`; CANCELLED when the
  // stream was cut.
  absl::Status Read(absl::FunctionRef<absl::Status(std::string_view)> write);
  // Reads the rest for its hash only.
  absl::Status Skip();

  // SHA-256 of the header and the content, 32 bytes, after Read or Skip.
  std::string sha256();
  int64_t records() const { return encoder_.records(); }
  int64_t rejected() const { return encoder_.rejected(); }

 private:
  enum class Kind { kNone, kCsv, kRows };

  absl::Status ReadAll(absl::FunctionRef<absl::Status(std::string_view)> write);
  // The next message, checked and hashed; false at the end.
  absl::StatusOr<bool> Next();
  void Hash(std::string_view bytes);
  void HashRows(const v1::PushRecordsRequest::RowBatch& rows);
  absl::Status TakeRecord(int64_t line, const std::vector<std::string_view>& fields);
  absl::Status TakeRows(const v1::PushRecordsRequest::RowBatch& rows);

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
