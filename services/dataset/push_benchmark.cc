// How long a push takes, from the client's first byte to the answer, beside COPY of the same CSV
// into a table with the same key. Run through `tools/cluster.py test-env`.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/access/access.h"
#include "common/clock/clock.h"
#include "common/jobs/jobs.h"
#include "common/status/macros.h"
#include "common/testing/test_server.h"
#include "services/dataset/builtin_definitions.h"
#include "services/dataset/dataset_service.h"
#include "services/dataset/migrations/migrations.h"
#include "services/dataset/schema.h"

namespace edcert::dataset {
namespace {

constexpr char kDistrict[] = "organizations/255901";
constexpr char kHeader[] =
    "student_uid,school_id,calendar_track,reporting_period,school_year,grade_level,days_expected,"
    "days_present,days_present_iss,days_absent_excused,days_absent_unexcused,days_absent_oss,"
    "days_independent_study,tardies,chronic_absent\n";

class OpenResolver final : public access::Resolver {
 protected:
  absl::StatusOr<access::Access> Ask(const rpc::Call& call, const access::Query& query) override {
    return AskForService(call, query);
  }
  absl::StatusOr<access::Access> AskForService(const rpc::Call& /*call*/,
                                               const access::Query& /*query*/) override {
    access::Access access;
    access.state_user = true;
    access.in_scope = true;
    access.organization_kind = access::OrganizationKind::kDistrict;
    return access;
  }
};

// The rows in no particular order of their key, as a source gives them.
std::string MakeCsv(int rows, int changed_from) {
  std::string csv = kHeader;
  for (int i = 0; i < rows; ++i) {
    const int student = static_cast<int>(int64_t{i} * 7919 % rows);
    fmt::format_to(std::back_inserter(csv),
                   "{:010},255901{:03},T1,{},2026,{:02},170.0,{}.5,0.0,3.0,2.5,0.0,0.0,{},{}\n",
                   student, student % 40, student % 6, student % 12 + 1,
                   150 + student % 15 + (student >= changed_from ? 1 : 0), student % 9,
                   student % 11 == 0 ? "true" : "false");
  }
  return csv;
}

class Benchmark {
 public:
  Benchmark()
      : server_({.service = "dataset",
                 .schema = "dataset",
                 .migrations = {jobs::Migrations(), {"dataset", sql::kMigrations}}}),
        catalogue_(*BuiltinCatalogue()) {
    CHECK(Install(server_.database().owner(), catalogue_, *BuiltinCodes()).ok());
    service_ =
        std::make_unique<DatasetService>(server_.runtime(), resolver_, nullptr, PushOptions{});
    server_.Serve(*service_, v1::Datasets::service_full_name());
    stub_ = v1::Datasets::NewStub(server_.channel());
  }
  ~Benchmark() { server_.Stop(); }

  void Run(int rows) {
    const std::string csv = MakeCsv(rows, rows);
    pg::Connection& owner = server_.database().owner();
    CHECK(owner
              .RunScript("CREATE TABLE public.plain (LIKE dataset.attendance_summary);"
                         "ALTER TABLE public.plain ALTER copy SET DEFAULT 'DISTRICT',"
                         " ALTER district_id SET DEFAULT '255901',"
                         " ALTER record_key DROP NOT NULL, ALTER valid_from DROP NOT NULL,"
                         " ALTER row_hash DROP NOT NULL, ADD PRIMARY KEY"
                         " (copy, district_id, student_uid, school_id, calendar_track,"
                         " reporting_period)")
              .ok());
    const absl::Duration plain = Measure([&] { Copy(owner, csv); });
    std::printf("%d rows, %zu bytes\n", rows, csv.size());
    Print("COPY into a table with the same key", plain, plain);
    Print("push, first", Measure([&] { Push(csv); }), plain);
    Print("push, nothing changed", Measure([&] { Push(csv); }), plain);
    Print("push, a tenth changed", Measure([&] { Push(MakeCsv(rows, rows / 10 * 9)); }), plain);
    Print("push, one row", Measure([&] { Push(MakeCsv(1, 0)); }), plain);
  }

 private:
  template <typename Work>
  static absl::Duration Measure(Work work) {
    const absl::Time start = clock::Clock::Real().Now();
    work();
    return clock::Clock::Real().Now() - start;
  }

  static void Print(const char* what, absl::Duration took, absl::Duration plain) {
    std::printf("  %-38s %8.0f ms  x %.2f\n", what, absl::ToDoubleMilliseconds(took),
                absl::FDivDuration(took, plain));
    std::fflush(stdout);
  }

  static void Copy(pg::Connection& owner, const std::string& csv) {
    const absl::Time deadline = clock::Clock::Real().Now() + absl::Minutes(5);
    std::string columns(kHeader);
    columns.pop_back();
    CHECK(owner
              .StartCopy(
                  fmt::format("COPY public.plain ({}) FROM STDIN (FORMAT csv, HEADER)", columns),
                  deadline)
              .ok());
    for (std::size_t at = 0; at < csv.size(); at += kPiece) {
      CHECK(owner.PutCopyData(std::string_view(csv).substr(at, kPiece), deadline).ok());
    }
    CHECK(owner.EndCopy(deadline).ok());
  }

  void Push(const std::string& csv) {
    grpc::ClientContext context;
    server_.CallAsService(context);
    v1::PushRecordsResponse response;
    const auto writer = stub_->PushRecords(&context, &response);
    v1::PushRecordsRequest message;
    message.mutable_header()->set_request_id(ids::IdSource::Real().NewId());
    message.mutable_header()->set_batch_id(ids::IdSource::Real().NewId());
    message.mutable_header()->set_dataset("datasets/attendance_summary");
    message.mutable_header()->set_district(kDistrict);
    message.mutable_header()->set_mode(v1::PushRecordsRequest::MODE_UPSERT);
    writer->Write(message);
    for (std::size_t at = 0; at < csv.size(); at += kPiece) {
      message.set_csv(csv.substr(at, kPiece));
      writer->Write(message);
    }
    writer->WritesDone();
    CHECK(writer->Finish().ok());
    CHECK(response.rejected() == 0);
  }

  static constexpr std::size_t kPiece = 256 << 10;

  OpenResolver resolver_;
  edcert::testing::TestServer server_;
  const Catalogue catalogue_;
  std::unique_ptr<DatasetService> service_;
  std::unique_ptr<v1::Datasets::Stub> stub_;
};

}  // namespace
}  // namespace edcert::dataset

int main(int argc, char** argv) {
  edcert::dataset::Benchmark().Run(argc > 1 ? std::atoi(argv[1]) : 200'000);
  return 0;
}
