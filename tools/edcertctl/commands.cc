#include "tools/edcertctl/commands.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <vector>

#include "common/auth/auth.h"
#include "common/clock/clock.h"
#include "common/config/config.h"
#include "common/ids/ids.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "edcert/dataset/v1/dataset.pb.h"
#include "edcert/notification/v1/notification.pb.h"
#include "edcert/registry/v1/event_registry.pb.h"
#include "edcert/snapshot/v1/snapshot.pb.h"
#include "edcert/validation/v1/validation_report.pb.h"
#include "edcert/workflow/v1/workflow.pb.h"
#include "tools/edcertctl/caller.h"
#include "tools/edcertctl/comments.h"

namespace edcert::edcertctl {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using nlohmann::ordered_json;

constexpr std::size_t kChunkBytes = 256 << 10;

struct NamedService {
  std::string command;  // also the folder name, which cluster.json uses
  const ServiceDescriptor* descriptor;
};

std::vector<NamedService> Services() {
  return {{"event_registry", registry::v1::Event::descriptor()->file()->service(0)},
          {"dataset", dataset::v1::PushRecordsRequest::descriptor()->file()->service(0)},
          {"validation_report", validation::v1::Report::descriptor()->file()->service(0)},
          {"snapshot", snapshot::v1::Snapshot::descriptor()->file()->service(0)},
          {"workflow", workflow::v1::Certification::descriptor()->file()->service(0)},
          {"notification", notification::v1::Message::descriptor()->file()->service(0)}};
}

std::string Kebab(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') {
      if (!out.empty()) out += '-';
      out += static_cast<char>(c - 'A' + 'a');
    } else {
      out += c == '_' ? '-' : c;
    }
  }
  return out;
}

std::unique_ptr<Message> New(const Descriptor* type) {
  return std::unique_ptr<Message>(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// What one subcommand was given.
struct Given {
  std::map<const FieldDescriptor*, std::vector<std::string>> fields;
  std::string json;  // the whole request, or `-` for standard input
  std::string csv;   // file that an upload sends
  std::string out;   // file that a download writes
};

// The oneof of an upload or download message: a header message and a bytes field.
struct ChunkShape {
  const FieldDescriptor* header = nullptr;
  const FieldDescriptor* bytes = nullptr;
};

ChunkShape ShapeOf(const Descriptor* type) {
  ChunkShape shape;
  if (type->oneof_decl_count() == 0) return shape;
  for (int i = 0; i < type->oneof_decl(0)->field_count(); ++i) {
    const FieldDescriptor* field = type->oneof_decl(0)->field(i);
    if (field->type() == FieldDescriptor::TYPE_BYTES) shape.bytes = field;
    if (field->name() == "header") shape.header = field;
  }
  if (shape.bytes == nullptr) shape.header = nullptr;
  return shape;
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  if (path != "-") return config::ReadFile(path);
  std::string text;
  for (int c = std::getchar(); c != EOF; c = std::getchar()) text += static_cast<char>(c);
  return text;
}

// The value of one option as JSON: messages, numbers and booleans as they are, the rest as text; a
// text that is JSON itself may be in @FILE or standard input.
absl::StatusOr<ordered_json> JsonOf(const FieldDescriptor& field, const std::string& text) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.name().ends_with("_json") && (text == "-" || text.starts_with("@"))) {
        ASSIGN_OR_RETURN(const std::string file, ReadText(text == "-" ? text : text.substr(1)));
        return ordered_json(file);
      }
      return ordered_json(text);
    case FieldDescriptor::CPPTYPE_ENUM:
    case FieldDescriptor::CPPTYPE_INT64:
      return ordered_json(text);
    default: {
      if (field.is_map() || field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
          text.starts_with("{") || text.starts_with("\"")) {
        ordered_json value = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
        if (!value.is_discarded()) return value;
      }
      return status::FieldInvalid(field.name(), "is not JSON: " + text);
    }
  }
}

// The first request: --json, then the options over it, then a request_id when the RPC wants one.
absl::Status FillRequest(const Given& given, Message& request) {
  ordered_json json = ordered_json::object();
  if (!given.json.empty()) {
    std::string text = given.json;
    if (text == "-" || text.starts_with("@")) {
      ASSIGN_OR_RETURN(text, ReadText(text == "-" ? text : text.substr(1)));
    }
    json = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return status::FieldInvalid("--json", "is not a JSON object");
  }
  for (const auto& [field, values] : given.fields) {
    if (values.empty()) continue;
    if (field->is_repeated() && !field->is_map()) {
      ordered_json list = ordered_json::array();
      for (const std::string& value : values) {
        ASSIGN_OR_RETURN(ordered_json item, JsonOf(*field, value));
        list.push_back(std::move(item));
      }
      json[field->name()] = std::move(list);
    } else {
      ASSIGN_OR_RETURN(json[field->name()], JsonOf(*field, values.back()));
    }
  }
  const FieldDescriptor* id = request.GetDescriptor()->FindFieldByName("request_id");
  if (id != nullptr && !json.contains("request_id") && !json.contains("requestId")) {
    json["request_id"] = ids::IdSource::Real().NewId();
  }
  const auto parsed = google::protobuf::util::JsonStringToMessage(json.dump(), &request);
  if (!parsed.ok()) return status::FieldInvalid("request", std::string(parsed.message()));
  return absl::OkStatus();
}

std::string ToJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto printed = google::protobuf::util::MessageToJsonString(message, &text, options);
  return printed.ok() ? text : std::string(printed.message());
}

absl::StatusOr<ordered_json> ReadCluster(const Global& global) {
  if (global.cluster.empty()) {
    return status::FieldInvalid("--cluster", "required, or set EDCERT_CLUSTER, or --address");
  }
  ASSIGN_OR_RETURN(const std::string text, config::ReadFile(global.cluster));
  ordered_json json = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return status::FieldInvalid("--cluster", "is not JSON");
  return json;
}

absl::StatusOr<std::string> AddressOf(const Global& global, const std::string& service) {
  if (!global.address.empty()) return global.address;
  ASSIGN_OR_RETURN(const ordered_json cluster, ReadCluster(global));
  const auto index = static_cast<std::size_t>(global.replica);
  const ordered_json& list = cluster["services"][service]["addresses"];
  if (!list.is_array() || index >= list.size()) {
    return status::FieldInvalid("--cluster", "does not name the service " + service);
  }
  return list[index].get<std::string>();
}

absl::StatusOr<std::string> SignFor(const Global& global, std::string user) {
  if (user.find('/') == std::string::npos) user = "users/" + user;
  ASSIGN_OR_RETURN(const ordered_json cluster, ReadCluster(global));
  const ordered_json& auth = cluster["auth"];
  if (!auth.is_object()) return status::FieldInvalid("--cluster", "holds no signing key");
  ASSIGN_OR_RETURN(const std::string key,
                   config::ReadFile(auth.value("user_key_file", std::string())));
  return auth::SignToken({.subject = user,
                          .issuer = auth.value("issuer", std::string()),
                          .audience = auth.value("audience", std::string("edcert")),
                          .kid = auth.value("user_key_id", std::string())},
                         key, clock::Clock::Real().Now());
}

absl::StatusOr<std::string> TokenOf(const Global& global) {
  if (!global.token.empty() || global.user.empty()) return global.token;
  return SignFor(global, global.user);
}

// Tells a person at a terminal how far an upload is: what is sent has arrived, but for what is on
// its way.
class UploadProgress {
 public:
  explicit UploadProgress(int64_t bytes) : bytes_(bytes), shown_(isatty(STDERR_FILENO) == 1) {}
  ~UploadProgress() {
    if (shown_ && percent_ >= 0) std::fprintf(stderr, "\n");
  }
  UploadProgress(const UploadProgress&) = delete;
  UploadProgress& operator=(const UploadProgress&) = delete;

  void Sent(std::size_t bytes) {
    sent_ += static_cast<int64_t>(bytes);
    const int64_t percent = bytes_ == 0 ? 100 : sent_ * 100 / bytes_;
    if (!shown_ || percent == percent_) return;
    percent_ = percent;
    std::fprintf(stderr, "\rsent %3lld %% of %lld bytes", static_cast<long long>(percent_),
                 static_cast<long long>(bytes_));
  }
  void AllSent() const {
    if (shown_) std::fprintf(stderr, "; the server applies them ...");
  }

 private:
  const int64_t bytes_;
  const bool shown_;
  int64_t sent_ = 0;
  int64_t percent_ = -1;
};

absl::Status RunMethod(const Global& global, const std::string& service,
                       const MethodDescriptor& method, const Given& given) {
  ASSIGN_OR_RETURN(const std::string address, AddressOf(global, service));
  ASSIGN_OR_RETURN(const std::string token, TokenOf(global));
  Caller caller(address, {.token = token, .timeout = absl::Seconds(global.timeout_seconds)});

  const std::unique_ptr<Message> request = New(method.input_type());
  const ChunkShape upload = method.client_streaming() ? ShapeOf(method.input_type()) : ChunkShape();
  Message& first = upload.header == nullptr
                       ? *request
                       : *request->GetReflection()->MutableMessage(request.get(), upload.header);
  RETURN_IF_ERROR(FillRequest(given, first));
  std::ifstream csv;
  std::optional<UploadProgress> progress;  // of a file; a pipe does not say how long it is
  if (upload.bytes != nullptr) {
    if (given.csv.empty()) return status::FieldInvalid("--csv", "required");
    csv.open(given.csv, std::ios::binary);
    if (!csv) return status::FieldInvalid("--csv", "cannot be read");
    std::error_code unknown;
    const std::uintmax_t size = std::filesystem::file_size(given.csv, unknown);
    if (!unknown) progress.emplace(static_cast<int64_t>(size));
  }
  bool sent_first = false;
  std::string chunk;
  const auto next_request = [&]() -> const Message* {
    if (!sent_first) {
      sent_first = true;
      return request.get();
    }
    if (upload.bytes == nullptr) return nullptr;
    chunk.resize(kChunkBytes);
    csv.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    chunk.resize(static_cast<std::size_t>(csv.gcount()));
    if (chunk.empty()) {
      if (progress.has_value()) progress->AllSent();
      return nullptr;
    }
    if (progress.has_value()) progress->Sent(chunk.size());
    request->GetReflection()->SetString(request.get(), upload.bytes, chunk);
    return request.get();
  };

  const ChunkShape download =
      method.server_streaming() ? ShapeOf(method.output_type()) : ChunkShape();
  std::ofstream out;
  if (download.bytes != nullptr && !given.out.empty()) {
    out.open(given.out, std::ios::binary);
    if (!out) return status::FieldInvalid("--out", "cannot be written");
  }
  const auto each = [&](const Message& response) -> absl::Status {
    progress.reset();
    const auto* reflection = response.GetReflection();
    if (download.bytes == nullptr) {
      std::printf("%s\n", ToJson(response).c_str());
      std::fflush(stdout);
    } else if (reflection->HasField(response, download.header)) {
      std::fprintf(out.is_open() ? stdout : stderr, "%s\n",
                   ToJson(reflection->GetMessage(response, download.header)).c_str());
    } else {
      const std::string bytes = reflection->GetString(response, download.bytes);
      if (out.is_open()) {
        out << bytes;
      } else {
        std::fwrite(bytes.data(), 1, bytes.size(), stdout);
      }
    }
    return absl::OkStatus();
  };
  const absl::Status called = caller.Call(method, next_request, each);
  progress.reset();
  RETURN_IF_ERROR(called);
  if (out.is_open() && !out.flush()) return status::FieldInvalid("--out", "cannot be written");
  return absl::OkStatus();
}

int Finish(const absl::Status& status) {
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", ErrorJson(status).c_str());
  return 1;
}

void AddFieldOptions(CLI::App& command, const Descriptor* type, Given& given) {
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const char* kind = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE
                           ? field->message_type()->name().c_str()
                           : field->cpp_type_name();
    CLI::Option* option =
        command.add_option("--" + Kebab(field->name()), given.fields[field], FirstSentence(*field));
    option->type_name(
        field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM
            ? field->enum_type()->name()
            : fmt::format("{}{}", kind,
                          field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ? " as JSON" : ""));
    option->expected(1)->multi_option_policy(
        field->is_repeated() ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::TakeLast);
  }
}

}  // namespace

void AddServices(CLI::App& app, const Global& global, int& exit_code) {
  for (const NamedService& service : Services()) {
    CLI::App* group = app.add_subcommand(service.command, FirstSentence(*service.descriptor));
    group->require_subcommand(1);
    for (int i = 0; i < service.descriptor->method_count(); ++i) {
      const MethodDescriptor* method = service.descriptor->method(i);
      CLI::App* command = group->add_subcommand(Kebab(method->name()), FirstSentence(*method));
      command->footer([method] { return Comment(*method); });
      const auto given = std::make_shared<Given>();
      const ChunkShape upload =
          method->client_streaming() ? ShapeOf(method->input_type()) : ChunkShape();
      AddFieldOptions(
          *command, upload.header == nullptr ? method->input_type() : upload.header->message_type(),
          *given);
      command->add_option("--json", given->json,
                          "The request as JSON, @FILE or - for standard input; options go over it");
      if (upload.bytes != nullptr) {
        command->add_option("--csv", given->csv, "File to send")->required();
      }
      if (method->server_streaming() && ShapeOf(method->output_type()).bytes != nullptr) {
        command->add_option("--out", given->out, "File to write; standard output without it");
      }
      command->callback([&global, &exit_code, name = service.command, method, given] {
        exit_code = Finish(RunMethod(global, name, *method, *given));
      });
    }
  }
}

void AddTools(CLI::App& app, const Global& global, int& exit_code) {
  CLI::App* health = app.add_subcommand("health", "Asks whether the server at --address serves");
  health->fallthrough();  // `health --address A` and `--address A health` are the same
  health->callback([&global, &exit_code] {
    exit_code = Finish(global.address.empty() ? status::FieldInvalid("--address", "required")
                                              : CheckHealth(global.address));
  });
  CLI::App* token = app.add_subcommand(
      "token", "Prints a token for --as USER, signed with the cluster's development key");
  token->fallthrough();
  token->callback([&global, &exit_code] {
    const absl::StatusOr<std::string> signed_token = SignFor(global, global.user);
    if (signed_token.ok()) std::printf("%s\n", signed_token->c_str());
    exit_code = Finish(signed_token.status());
  });
}

}  // namespace edcert::edcertctl
