// Records: from the fields of a source to the rows of a binary COPY.
//
// The canonical bytes of a record are, for each column of the definition in its order up to the
// last one with a value, the length of its canonical text as 32 bits, big-endian, and the text;
// 0xFFFFFFFF and nothing for no value. So a column that a definition gets later changes no hash.
// The row hash is their SHA-256. The record key is the canonical text of the key columns, joined by
// `|`; a `|` or
// `\` in them is preceded by `\`.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "services/dataset/dataset.h"
#include "services/dataset/standing_records.h"
#include "services/dataset/value.h"

namespace edcert::dataset {

// The columns of a batch in the order in which the encoder writes them: `line`, `reason`,
// `column_name`, `message`, the columns of the definition, `school_id` unless it is one of them,
// `record_key`, `row_hash`. Quoted, joined by commas.
std::string BatchColumns(const Dataset& dataset);

class RecordEncoder {
 public:
  // `keys_only`: only key columns are read (mode DELETE); the row hash is that of the key.
  RecordEncoder(const Dataset& dataset, bool keys_only);

  // Says which field holds which column. FIELD_INVALID for `field`: a name that the dataset does
  // not have, a name that stands twice, a required column that is missing.
  absl::Status SetHeader(const std::vector<std::string_view>& names, std::string_view field);
  bool has_header() const { return !sources_.empty(); }

  // From here on what stands is brought there, and not encoded. Outlives the encoder.
  void LeaveOut(StandingRecords* standing) { standing_ = standing; }

  // Appends one row to `copy`: the record, or what is wrong with it. Where what stands is left out,
  // it may be the record of the call before.
  void Encode(int64_t line, const std::vector<std::string_view>& fields, std::string& copy);
  // Appends the record that has not been appended yet, if any.
  void Finish(std::string& copy);

  int64_t records() const { return records_; }
  int64_t rejected() const { return rejected_; }
  // Whether two records that were not rejected may have the same key; no is sure.
  bool MayRepeatKeys();
  // Where and why the first record was rejected, for a person; empty when none was.
  const std::string& first_rejected() const { return first_rejected_; }

  // The beginning and the end of a binary COPY.
  static std::string_view CopyHeader();
  static std::string_view CopyTrailer();

 private:
  struct Failure {
    std::string_view reason;
    std::string column;
    std::string message;
  };
  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  // Appends the columns' values to `copy` and fills canonical_ and ranges_.
  bool EncodeColumns(const std::vector<std::string_view>& fields, std::string& copy,
                     Failure& failure);
  // Fills key_; false when a key column has no value.
  bool MakeKey();
  // Appends a record; false when something is wrong with it, and then part of it is there.
  bool WriteRecord(int64_t line, const std::vector<std::string_view>& fields, std::string& copy,
                   Failure& failure, bool& has_key);
  void WriteReject(int64_t line, const Failure& failure, bool has_key, std::string& copy);

  const Dataset& dataset_;
  const bool keys_only_;
  const bool extra_school_;
  std::size_t fields_ = 0;
  std::vector<int> sources_;  // for each column its field; -1 when there is none
  std::vector<char> is_key_;
  ValueParser parser_;
  std::string canonical_;
  std::size_t canonical_end_ = 0;  // behind the last value
  std::vector<Range> ranges_;      // of the texts in canonical_
  std::string key_;
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest_;
  int64_t records_ = 0;
  int64_t rejected_ = 0;
  std::vector<std::size_t> key_hashes_;  // of the first records, so that memory is bounded
  std::string first_rejected_;
  StandingRecords* standing_ = nullptr;
  // The last record, and the one before: whether that one stands is asked for when it has come from
  // memory.
  std::string row_;
  std::string waiting_;
  int64_t waiting_line_ = 0;
};

// The row hash of canonical texts; for tests and other readers. A null text is no value.
std::string RowHash(const std::vector<const std::string*>& texts);

}  // namespace edcert::dataset
