#include "services/validation_report/sql_parse.h"

#include <pg_query.h>

#include <algorithm>

#include "absl/strings/cord.h"
#include "common/status/macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "services/validation_report/sql_guard.h"

namespace edcert::validation_report {
namespace {

constexpr std::string_view kSelect = "SELECT ";

// An expression of the depth that sql_guard allows takes fewer levels of messages than this.
constexpr int kMessageDepth = 400;

template <typename Message>
bool Decode(const PgQueryProtobuf& bytes, Message& message) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data),
                                               static_cast<int>(bytes.len));
  input.SetRecursionLimit(kMessageDepth);
  return message.ParseFromCodedStream(&input) && input.ConsumedEntireMessage();
}

// libpg_query counts characters from 1 in the text it was given.
absl::Status ParseError(const PgQueryError& error, size_t prefix_length) {
  const int position = std::max(0, error.cursorpos - static_cast<int>(prefix_length));
  return Refuse(error.message, position);
}

}  // namespace

absl::StatusOr<tree::ParseResult> ParseSql(const std::string& sql, size_t prefix_length) {
  PgQueryProtobufParseResult result = pg_query_parse_protobuf(sql.c_str());
  tree::ParseResult parsed;
  absl::Status status;
  if (result.error != nullptr) {
    status = ParseError(*result.error, prefix_length);
  } else if (!Decode(result.parse_tree, parsed)) {
    status = Refuse("an expression nested too deeply", 0);
  }
  pg_query_free_protobuf_parse_result(result);
  if (!status.ok()) return status;
  return parsed;
}

absl::StatusOr<std::string> PrintSql(const tree::ParseResult& tree) {
  std::string bytes = tree.SerializeAsString();
  PgQueryProtobuf encoded;
  encoded.len = bytes.size();
  encoded.data = bytes.data();
  PgQueryDeparseResult result = pg_query_deparse_protobuf(encoded);
  std::string text;
  if (result.error == nullptr) text = result.query;
  pg_query_free_deparse_result(result);
  if (text.empty()) return Refuse("a text that cannot be printed from its tree", 0);
  return text;
}

absl::StatusOr<tree::ScanResult> ScanSql(const std::string& sql) {
  PgQueryScanResult result = pg_query_scan(sql.c_str());
  tree::ScanResult scan;
  absl::Status status;
  if (result.error != nullptr) {
    status = ParseError(*result.error, 0);
  } else if (!Decode(result.pbuf, scan)) {
    status = Refuse("a text that cannot be split into words", 0);
  }
  pg_query_free_scan_result(result);
  if (!status.ok()) return status;
  return scan;
}

absl::StatusOr<tree::Node> ParseExpression(std::string_view expression) {
  std::string sql(kSelect);
  sql.append(expression);
  ASSIGN_OR_RETURN(const tree::ParseResult parsed, ParseSql(sql, kSelect.size()));
  if (parsed.stmts_size() != 1 || parsed.stmts(0).stmt().select_stmt().target_list_size() != 1) {
    return Refuse("anything but one expression", 0);
  }
  return parsed.stmts(0).stmt().select_stmt().target_list(0).res_target().val();
}

absl::Status Refuse(std::string_view what, int position) {
  absl::Status status(absl::StatusCode::kInvalidArgument,
                      absl::string_view(what.data(), what.size()));
  status.SetPayload(kRefusalPosition, absl::Cord(std::to_string(position)));
  return status;
}

int CharacterAt(std::string_view text, int offset) {
  if (offset < 0) return 0;
  int character = 1;
  const size_t end = std::min(text.size(), static_cast<size_t>(offset));
  for (size_t i = 0; i < end; ++i) {
    // Bytes 10xxxxxx continue a character.
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) ++character;
  }
  return character;
}

}  // namespace edcert::validation_report
