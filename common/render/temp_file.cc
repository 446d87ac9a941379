#include "common/render/temp_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "common/status/macros.h"
#include "fmt/format.h"

namespace edcert::render {
namespace {

constexpr size_t kBufferBytes = size_t{64} * 1024;

absl::Status Unavailable() {
  return absl::UnavailableError("report: the folder for temporary files cannot be used");
}

}  // namespace

absl::StatusOr<TempFile> TempFile::Make() {
  const char* const folder = std::getenv("TMPDIR");
  std::string name =
      fmt::format("{}/edcert-report-XXXXXX", folder == nullptr || *folder == 0 ? "/tmp" : folder);
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return Unavailable();
  TempFile file(fd);
  if (unlink(name.c_str()) != 0) return Unavailable();
  return file;
}

TempFile::TempFile(TempFile&& other) noexcept { *this = std::move(other); }

TempFile& TempFile::operator=(TempFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(buffer_, other.buffer_);
  std::swap(at_, other.at_);
  return *this;
}

TempFile::~TempFile() {
  if (fd_ >= 0) close(fd_);
}

std::string TempFile::Path() const { return fmt::format("/proc/self/fd/{}", fd_); }

absl::Status TempFile::Append(std::string_view bytes) {
  buffer_.append(bytes);
  return buffer_.size() < kBufferBytes ? absl::OkStatus() : Flush();
}

absl::Status TempFile::Flush() {
  std::string_view left = buffer_;
  while (!left.empty()) {
    const ssize_t written = write(fd_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Unavailable();
    left.remove_prefix(static_cast<size_t>(written));
  }
  buffer_.clear();
  return absl::OkStatus();
}

absl::Status TempFile::Rewind() {
  RETURN_IF_ERROR(Flush());
  at_ = 0;
  return lseek(fd_, 0, SEEK_SET) == 0 ? absl::OkStatus() : Unavailable();
}

absl::Status TempFile::Fill() {
  buffer_.resize(kBufferBytes);
  at_ = 0;
  for (;;) {
    const ssize_t got = read(fd_, buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) continue;
    buffer_.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    return got < 0 ? Unavailable() : absl::OkStatus();
  }
}

absl::Status TempFile::Read(size_t size, std::string& out) {
  out.clear();
  while (out.size() < size) {
    if (at_ == buffer_.size()) RETURN_IF_ERROR(Fill());
    if (buffer_.empty()) return Unavailable();
    const size_t part = std::min(size - out.size(), buffer_.size() - at_);
    out.append(buffer_, at_, part);
    at_ += part;
  }
  return absl::OkStatus();
}

absl::Status TempFile::ReadAll(size_t size,
                               absl::FunctionRef<absl::Status(std::string_view)> each) {
  RETURN_IF_ERROR(Rewind());
  std::string piece(size, '\0');
  for (;;) {
    const ssize_t got = read(fd_, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unavailable();
    if (got == 0) return absl::OkStatus();
    RETURN_IF_ERROR(each(std::string_view(piece).substr(0, static_cast<size_t>(got))));
  }
}

}  // namespace edcert::render
