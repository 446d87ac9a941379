// Parameters and results of statements.
#pragma once

#include <libpq-fe.h>

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace edcert::pg {

// Binary data, for bytea.
struct Bytes {
  std::string_view data;
};

// One parameter. Converts from what stores have at hand; std::nullopt is NULL.
class Param {
 public:
  Param(std::nullopt_t) : null_(true) {}            // NOLINT: conversion is the point
  Param(std::string_view text) : value_(text) {}    // NOLINT
  Param(const std::string& text) : value_(text) {}  // NOLINT
  Param(const char* text) : value_(text) {}         // NOLINT
  Param(bool value) : value_(value ? "t" : "f") {}  // NOLINT
  template <std::integral T>
  Param(T value) : value_(std::to_string(value)) {}  // NOLINT
  Param(double value);                               // NOLINT
  // timestamptz; what lies outside the years 1 to 9999 becomes infinite.
  Param(absl::Time time);                                    // NOLINT
  Param(Bytes bytes) : value_(bytes.data), binary_(true) {}  // NOLINT
  Param(const std::vector<std::string>& texts);              // NOLINT: text[]
  Param(const std::vector<int64_t>& numbers);                // NOLINT: bigint[]
  template <typename T>
  Param(const std::optional<T>& value) : null_(!value.has_value()) {  // NOLINT
    if (value.has_value()) *this = Param(*value);
  }

  const char* data() const { return null_ ? nullptr : value_.c_str(); }
  int length() const { return static_cast<int>(value_.size()); }
  // Text goes to the server as a C string: a NUL would cut it off.
  bool HasNul() const { return !binary_ && value_.find('\0') != std::string::npos; }
  int format() const { return binary_ ? 1 : 0; }

 private:
  std::string value_;
  bool null_ = false;
  bool binary_ = false;
};

class Result;

// One row. A column that the statement does not have is a defect of ours and ends the process;
// NULL reads as the type's empty value (Has() tells them apart). Valid while its Result lives.
class Row {
 public:
  Row(const PGresult* result, int row) : result_(result), row_(row) {}

  bool Has(std::string_view column) const;
  std::string_view View(std::string_view column) const;
  std::string Text(std::string_view column) const { return std::string(View(column)); }
  int64_t Int(std::string_view column) const;
  double Double(std::string_view column) const;
  bool Bool(std::string_view column) const;
  // timestamptz; NULL is absl::InfinitePast().
  absl::Time Time(std::string_view column) const;
  std::optional<absl::Time> OptionalTime(std::string_view column) const;
  // bytea
  std::string Binary(std::string_view column) const;
  // One-dimensional text[], NULL elements as empty strings.
  std::vector<std::string> TextArray(std::string_view column) const;

  // By place, for statements whose columns are known only at run time.
  int columns() const { return PQnfields(result_); }
  bool HasAt(int column) const { return PQgetisnull(result_, row_, column) == 0; }
  std::string_view ViewAt(int column) const;

 private:
  int Index(std::string_view column) const;
  const PGresult* result_;
  int row_;
};

// The rows of one statement.
class Result {
 public:
  explicit Result(PGresult* result) : result_(result, &PQclear) {}

  int size() const { return PQntuples(result_.get()); }
  bool empty() const { return size() == 0; }
  Row operator[](int row) const { return Row(result_.get(), row); }
  // Rows that an INSERT, UPDATE or DELETE touched.
  int64_t affected() const;
  // What the server did, for example `COMMIT`.
  std::string_view command() const { return PQcmdStatus(result_.get()); }

  class Iterator {
   public:
    Iterator(const PGresult* result, int row) : result_(result), row_(row) {}
    Row operator*() const { return Row(result_, row_); }
    Iterator& operator++() {
      ++row_;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return row_ != other.row_; }

   private:
    const PGresult* result_;
    int row_;
  };
  Iterator begin() const { return {result_.get(), 0}; }
  Iterator end() const { return {result_.get(), size()}; }

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

}  // namespace edcert::pg
