// The bytes that are hashed when a snapshot is sealed. Fixed for ever: a digest made today must be
// the one that is made from the same records in ten years.
//
//   dataset digest := SHA-256(0x02 | "edcert dataset v1" | row*)
//     row          := u32be length(record_key) | record_key | row_hash (32 bytes), by record_key
//   root           := SHA-256(0x03 | "edcert snapshot v1" | u32be number of datasets | entry*)
//     entry        := u32be length(dataset) | dataset | u64be version | u64be rows | digest,
//                     by dataset
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "services/snapshot/snapshot.h"

namespace edcert::snapshot {

// SHA-256 over pieces.
class Sha256 {
 public:
  Sha256();
  void Add(std::string_view bytes);
  void AddUint32(uint32_t value);
  void AddUint64(uint64_t value);
  // The 32 bytes; nothing may be added afterwards.
  std::string Finish();

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

// Digests the rows of one dataset, given in the order of their keys.
class DatasetDigest {
 public:
  DatasetDigest();
  // INTERNAL when a key is not greater than the one before or the hash has another length: such
  // records cannot be certified.
  absl::Status Add(std::string_view record_key, std::string_view row_hash);
  int64_t rows() const { return rows_; }
  std::string Finish() { return hash_.Finish(); }

 private:
  Sha256 hash_;
  std::string last_key_;
  int64_t rows_ = 0;
};

// The root over datasets that are sorted and digested.
std::string RootOf(const std::vector<DataVersion>& versions);

}  // namespace edcert::snapshot
