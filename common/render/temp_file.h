// A file without a name: whatever ends the process, nothing of a report stays on the disk.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace edcert::render {

// UNAVAILABLE: the folder for temporary files cannot be written or is full.
class TempFile {
 public:
  // In TMPDIR, else in /tmp; readable by this user only.
  static absl::StatusOr<TempFile> Make();

  TempFile() = default;
  TempFile(TempFile&& other) noexcept;
  TempFile& operator=(TempFile&& other) noexcept;
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  ~TempFile();

  // A path under which this process can open it, for a library that wants one.
  std::string Path() const;

  // Adds to the end, through a buffer.
  absl::Status Append(std::string_view bytes);
  // Reads from the beginning to the end, in pieces of at most `size` bytes.
  absl::Status ReadAll(size_t size, absl::FunctionRef<absl::Status(std::string_view)> each);

  // Reads on, after Rewind: exactly `size` bytes.
  absl::Status Rewind();
  absl::Status Read(size_t size, std::string& out);

 private:
  explicit TempFile(int fd) : fd_(fd) {}
  absl::Status Flush();
  absl::Status Fill();

  int fd_ = -1;
  std::string buffer_;  // What waits to be written, or what was read ahead.
  size_t at_ = 0;       // In `buffer_`, when reading.
};

}  // namespace edcert::render
