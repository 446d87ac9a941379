// What a push does with content that is wrong, hostile or huge, through gRPC.
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <fstream>
#include <set>
#include <thread>
#include <tuple>
#include <vector>

#include "common/status/errors.h"
#include "services/dataset/service_fixture_test.h"

namespace edcert::dataset {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kUpsert = v1::PushRecordsRequest::MODE_UPSERT;
constexpr auto kDelete = v1::PushRecordsRequest::MODE_DELETE;
constexpr auto kReplaceAll = v1::PushRecordsRequest::MODE_REPLACE_ALL;
constexpr std::size_t kMiB = 1 << 20;

// How far the memory of this process, server and client, grows from here on.
class PeakMemory {
 public:
  PeakMemory() {
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak is what it is now
    begin_ = Peak();
  }
  int64_t GrownMiB() const { return (Peak() - begin_) >> 10; }

 private:
  static int64_t Peak() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      int64_t kib = 0;
      if (word == "VmHWM:" && status >> kib) return kib;
    }
    return 0;
  }
  int64_t begin_ = 0;
};

class PushTest : public DatasetServiceTest {
 protected:
  // Line, column and reason of each issue of an answer.
  using Where = std::tuple<int64_t, std::string, std::string>;
  static std::vector<Where> IssuesOf(const v1::PushRecordsResponse& response) {
    std::vector<Where> issues;
    for (const auto& issue : response.issues()) {
      issues.emplace_back(issue.line(), issue.column(), issue.reason());
    }
    return issues;
  }

  // The students of the DISTRICT copy, in the order of their keys.
  std::vector<std::string> Students() {
    std::vector<std::string> students;
    const auto records = List(type::COPY_DISTRICT);
    EXPECT_THAT(records, IsOk());
    for (const auto& record : records->records()) students.push_back(record.values(0));
    return students;
  }

  void ExpectRefused(const std::string& csv, const std::string& why) {
    for (const auto mode : {kUpsert, kDelete, kReplaceAll}) {
      const auto response = Push(Header(mode), csv, 4096);
      EXPECT_THAT(response, HasReason("FIELD_INVALID")) << why;
      EXPECT_THAT(std::string(response.status().message()), HasSubstr(why));
    }
  }

  // Pushes what `next` gives until it gives nothing or the server has heard enough; how many
  // messages were written.
  absl::Status PushMessages(const v1::PushRecordsRequest& header,
                            absl::FunctionRef<bool(int, std::string&)> next, int* written,
                            v1::PushRecordsResponse* response) {
    grpc::ClientContext context;
    server_.CallAs(context, "users/dan");
    const auto writer = stub_->PushRecords(&context, response);
    bool open = writer->Write(header);
    v1::PushRecordsRequest message;
    for (*written = 0; open && next(*written, *message.mutable_csv()); ++*written) {
      open = writer->Write(message);
    }
    writer->WritesDone();
    return rpc::FromGrpc(writer->Finish());
  }
};

TEST_F(PushTest, RefusesWhatIsNoCsvAndTakesNothingOfIt) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1")), IsOk());
  const std::string good = kHeader + Event("2");
  ExpectRefused("\xFF\xFEs\0t\0u\0", "line 1: the text is not UTF-8");
  ExpectRefused(std::string("s\0t\0u\0", 6), "line 1: a NUL byte");
  ExpectRefused(good + std::string("3\0,255901001\n", 13), "line 3: a NUL byte");
  ExpectRefused(good + "3,255\"901001,2025-10-01,TARDY,2026\n", "line 3: a quote stands inside");
  ExpectRefused(good + "\"3\"x,255901001\n", "line 3: text stands behind a closing quote");
  ExpectRefused(good + "\"3,255901001\n\n\n", "the text ends inside quotes");
  ExpectRefused(good + "3,255901001\r4,255901001\n", "line 3: a carriage return");
  ExpectRefused(good + std::string(10'000, ',') + "\n", "line 3: the record has more than 1000");
  EXPECT_THAT(Students(), ElementsAre("1"));
  EXPECT_EQ(server_.CountRows("batch"), 1);
  EXPECT_EQ(server_.CountRows("sync_issue"), 0);
}

TEST_F(PushTest, RefusesAHeaderRowThatDoesNotFit) {
  const std::string names = "student_uid,school_id,event_date,category,school_year";
  ExpectRefused("", "the names of the columns are missing");
  ExpectRefused("\n" + names + "\n", "column 1 of the header is not one of attendance_event");
  ExpectRefused(Event("1"), "column 1 of the header is not one of attendance_event");
  ExpectRefused(names + ",shoe_size\n", "column 6 of the header is not one of attendance_event");
  ExpectRefused("Student_UID" + names.substr(11) + "\n", "column 1 of the header");
  ExpectRefused(names + ",category\n", "column category stands twice in the header");
  ExpectRefused("student_uid,school_id,event_date\n", "required column category is missing");
  std::string wide = names;
  for (int i = 0; i < 10'000; ++i) wide += fmt::format(",c{}", i);
  ExpectRefused(wide + "\n", "line 1: the record has more than 1000 fields");
  EXPECT_EQ(server_.CountRows("batch"), 0);
}

TEST_F(PushTest, TakesWhatCsvAllows) {
  const auto response =
      Push(Header(),
           "\xEF\xBB\xBF\"category\",student_uid,school_id,event_date,school_year,"
           "absence_reason\r\n"
           "\"TARDY\",\"1\",255901001,2025-10-01,2026,\"a \"\"b\"\",\r\nc\"\r\n"
           "\r\n"
           "TARDY,2,255901001,never,2026,\r\n"
           "TARDY,3,255901001,2025-10-01,2026,",
           1);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->received(), 3);
  // The record of line 2 goes on in line 3, and line 4 is empty.
  EXPECT_THAT(IssuesOf(*response), ElementsAre(Where{5, "event_date", "DATE_INVALID"}));
  const auto records = List(type::COPY_DISTRICT);
  ASSERT_EQ(records->records_size(), 2);
  int column = 0;
  while (records->columns(column) != "absence_reason") ++column;
  EXPECT_EQ(records->records(0).values(column), "a \"b\",\r\nc");
  EXPECT_EQ(records->records(1).values(column), "");
}

TEST_F(PushTest, ARejectedRecordSaysLineColumnAndReason) {
  v1::PushRecordsRequest header = Header();
  header.mutable_header()->set_dataset("datasets/attendance_summary");
  const std::string names =
      "student_uid,school_id,calendar_track,reporting_period,school_year,days_expected,"
      "days_present,tardies,chronic_absent\n";
  const auto response = Push(header, names +
                                         "1,255901001,T1,1,2026,170.0,150.0,1,false\n"
                                         "2,255901001,T1,1,2026,170.0,lots,1,false\n"
                                         "3,255901001,T1,1,2026,170.0,150.25,1,false\n"
                                         "4,255901001,T1,1,2026,99999999,150.0,1,false\n"
                                         "5,255901001,T1,1,9223372036854775808,170.0,1,1,false\n"
                                         "6,255901001,T1,1,2026,170.0,150.0,1.5,false\n"
                                         "7,255901001,T1,1,2026,170.0,150.0,1,perhaps\n"
                                         "8,255901001,,1,2026,170.0,150.0,1,false\n"
                                         "9,255901001,T1,1,2026,170.0,150.0,1\n"
                                         "10,255901001,T1,1,2026,170.0,150.0,1,false,\n"
                                         "1\xE4,255901001,T1,1,2026,170.0,150.0,1,false\n"
                                         "12345678901234567890123456789012345678901,255901001,T1,"
                                         "1,2026,170.0,150.0,1,false\n");
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->inserted(), 1);
  EXPECT_EQ(response->rejected(), 11);
  EXPECT_THAT(
      IssuesOf(*response),
      ElementsAre(Where{3, "days_present", "NUMBER_INVALID"},
                  Where{4, "days_present", "NUMBER_OUT_OF_RANGE"},
                  Where{5, "days_expected", "NUMBER_OUT_OF_RANGE"},
                  Where{6, "school_year", "NUMBER_OUT_OF_RANGE"},
                  Where{7, "tardies", "NUMBER_INVALID"}, Where{8, "chronic_absent", "BOOL_INVALID"},
                  Where{9, "calendar_track", "REQUIRED_MISSING"}, Where{10, "", "FIELD_COUNT"},
                  Where{11, "", "FIELD_COUNT"}, Where{12, "student_uid", "TEXT_INVALID"},
                  Where{13, "student_uid", "TEXT_TOO_LONG"}));
}

TEST_F(PushTest, DatesThatTheCalendarLacksAreRejected) {
  std::string csv = kHeader;
  const std::vector<std::string> dates = {"2026-02-30", "2023-02-29", "0000-01-01", "10/01/2025",
                                          "2025-10-1",  "20251001",   "2025-13-01", "infinity"};
  for (const std::string& date : dates) csv += fmt::format("1,255901001,{},TARDY,2026\n", date);
  csv += "1,255901001,2024-02-29,TARDY,2026\n";
  const auto response = Push(Header(), csv);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->inserted(), 1);
  EXPECT_EQ(response->rejected(), static_cast<int64_t>(dates.size()));
  for (const auto& issue : response->issues()) EXPECT_EQ(issue.reason(), "DATE_INVALID");
}

TEST_F(PushTest, RecordsOfOneKeyAreRejectedButDeletedOnce) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1") + Event("2") + Event("3")), IsOk());
  auto response =
      Push(Header(), kHeader + Event("4") + Event("1") + Event("1") + Event("1") + Event("5"));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->inserted(), 2);
  EXPECT_EQ(response->rejected(), 3);
  EXPECT_THAT(IssuesOf(*response), ElementsAre(Where{3, "", "DUPLICATE_KEY"}));
  EXPECT_EQ(response->issues(0).message(), "lines 3 and 5 have the same key");
  // Rejected, so neither replaced nor deleted.
  response = Push(Header(kReplaceAll), kHeader + Event("1") + Event("1") + Event("2"));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->deleted(), 3);
  EXPECT_THAT(Students(), ElementsAre("1", "2"));
  response = Push(Header(kDelete), kHeader + Event("1") + Event("1") + Event("9"));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->received(), 3);
  EXPECT_EQ(response->deleted(), 1);
  EXPECT_EQ(response->unchanged(), 2);
  EXPECT_EQ(response->rejected(), 0);
  EXPECT_THAT(Students(), ElementsAre("2"));
}

TEST_F(PushTest, ReplacingDeletesNothingWhileTheKeyOfARecordCannotBeRead) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1") + Event("2") + Event("3")), IsOk());
  // It may be any of the three.
  const std::string unreadable = "3,255901001,2026-02-30,TARDY,2026\n";
  auto response = Push(Header(kReplaceAll), kHeader + Event("1") + unreadable + Event("4"));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->deleted(), 0);
  EXPECT_EQ(response->inserted(), 1);
  EXPECT_THAT(Students(), ElementsAre("1", "2", "3", "4"));
  // This one it is, whatever else is wrong with it.
  response = Push(Header(kReplaceAll),
                  kHeader + Event("1") + "3,255901001,2025-10-01,TARDY,MMXXVI\n" + Event("4"));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->deleted(), 1);
  EXPECT_THAT(Students(), ElementsAre("1", "3", "4"));
}

TEST_F(PushTest, AllOrNothingInEveryMode) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1") + Event("2")), IsOk());
  for (const auto mode : {kUpsert, kDelete, kReplaceAll}) {
    v1::PushRecordsRequest header = Header(mode);
    header.mutable_header()->set_all_or_nothing(true);
    const std::string csv =
        kHeader + Event("1") + Event("3") + ",255901001,2025-10-01,TARDY,2026\n";
    const auto response = Push(header, csv);
    ASSERT_THAT(response, IsOk());
    EXPECT_EQ(response->version(), 1);
    EXPECT_EQ(response->received(), 3);
    EXPECT_EQ(response->rejected(), 3);
    EXPECT_THAT(IssuesOf(*response), ElementsAre(Where{4, "student_uid", "REQUIRED_MISSING"}));
    EXPECT_EQ(Push(header, csv)->SerializeAsString(), response->SerializeAsString());
  }
  EXPECT_THAT(Students(), ElementsAre("1", "2"));
}

TEST_F(PushTest, StreamsWithoutRecords) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1")), IsOk());
  grpc::ClientContext context;
  server_.CallAs(context, "users/dan");
  v1::PushRecordsResponse empty;
  const auto writer = stub_->PushRecords(&context, &empty);
  writer->WritesDone();
  EXPECT_THAT(rpc::FromGrpc(writer->Finish()), HasReason("FIELD_INVALID"));
  for (const auto mode : {kUpsert, kDelete, kReplaceAll}) {
    EXPECT_THAT(Push(Header(mode), ""), HasReason("FIELD_INVALID"));
  }
  EXPECT_THAT(Students(), ElementsAre("1"));
  // The names of the columns and nothing else is a batch: to replace all by nothing is to delete.
  EXPECT_EQ(Push(Header(kUpsert), kHeader)->received(), 0);
  EXPECT_EQ(Push(Header(kDelete), kHeader)->received(), 0);
  EXPECT_THAT(Students(), ElementsAre("1"));
  EXPECT_EQ(Push(Header(kReplaceAll), kHeader)->deleted(), 1);
  EXPECT_THAT(Students(), IsEmpty());
}

TEST_F(PushTest, AStreamThatIsCutReplacesNothing) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1") + Event("2")), IsOk());
  for (int round = 0; round < 30; ++round) {
    grpc::ClientContext context;
    server_.CallAs(context, "users/dan");
    v1::PushRecordsResponse response;
    const auto writer = stub_->PushRecords(&context, &response);
    writer->Write(Header(kReplaceAll));
    v1::PushRecordsRequest message;
    message.set_csv(kHeader + Event("1"));
    for (int i = 0; i < round % 4; ++i) {
      writer->Write(message);
      message.set_csv(Event(fmt::format("x{}", i)));
    }
    context.TryCancel();
    EXPECT_FALSE(writer->Finish().ok());
  }
  EXPECT_THAT(Students(), ElementsAre("1", "2"));
  EXPECT_EQ(server_.CountRows("batch"), 1);
}

// The bytes of a message that is none, in the middle of a stream, are not its end.
TEST_F(PushTest, BytesThatAreNoMessageAreNotTheEnd) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1") + Event("2")), IsOk());
  v1::PushRecordsRequest csv;
  csv.set_csv(kHeader + Event("1"));
  v1::PushRecordsRequest rows;
  rows.mutable_rows()->add_rows()->add_values("Zo?");
  std::string latin1 = rows.SerializeAsString();
  latin1.replace(latin1.find('?'), 1, "\xEB");
  for (const std::string& bytes : {std::string("\xFF"), latin1, csv.SerializeAsString() + "\x0A"}) {
    grpc::GenericStub stub(server_.channel());
    grpc::CompletionQueue queue;
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      CHECK(queue.Next(&tag, &ok));
      return ok;
    };
    grpc::ClientContext context;
    server_.CallAs(context, "users/dan");
    const auto call = stub.PrepareCall(
        &context, fmt::format("/{}/PushRecords", v1::Datasets::service_full_name()), &queue);
    call->StartCall(nullptr);
    ASSERT_TRUE(wait());
    for (const std::string& message :
         {Header(kReplaceAll).SerializeAsString(), csv.SerializeAsString(), bytes}) {
      const grpc::Slice slice(message);
      call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
      if (!wait()) break;  // it has heard enough
    }
    call->WritesDone(nullptr);
    wait();
    grpc::Status status;
    call->Finish(&status, nullptr);
    ASSERT_TRUE(wait());
    EXPECT_THAT(rpc::FromGrpc(status), HasReason("FIELD_INVALID"));
  }
  EXPECT_THAT(Students(), ElementsAre("1", "2"));
}

TEST_F(PushTest, ABatchIdIsThatOfOneBatch) {
  const v1::PushRecordsRequest first = Header();
  const std::string csv = kHeader + Event("1");
  ASSERT_THAT(Push(first, csv, 7, "users/ada"), IsOk());
  const auto with = [&first](void (*change)(v1::PushRecordsRequest::Header&)) {
    v1::PushRecordsRequest header = first;
    header.mutable_header()->set_request_id(ids::IdSource::Real().NewId());
    change(*header.mutable_header());
    return header;
  };
  for (const auto& header : {with([](auto& it) { it.set_district(kOther); }),
                             with([](auto& it) { it.set_dataset("datasets/enrollment"); }),
                             with([](auto& it) { it.set_mode(kReplaceAll); }),
                             with([](auto& it) { it.set_all_or_nothing(true); }),
                             with([](auto& it) { it.set_source_watermark("later"); })}) {
    EXPECT_THAT(Push(header, csv, 7, "users/ada"), HasReason("REQUEST_ID_REUSED"));
  }
  const auto same = with([](auto&) {});
  EXPECT_THAT(Push(same, csv + Event("2"), 7, "users/ada"), HasReason("REQUEST_ID_REUSED"));
  // Somebody else's batch is not to be seen either.
  EXPECT_THAT(Push(with([](auto& it) { it.set_district(kOther); }), csv), HasReason("NOT_FOUND"));
  EXPECT_THAT(Push(same, csv, 3, "users/ada"), IsOk());
  EXPECT_EQ(server_.CountRows("attendance_event"), 1);
  EXPECT_EQ(server_.CountRows("batch"), 1);
}

TEST_F(PushTest, TwoThatReplaceAllAtOnceLeaveOneOfThem) {
  for (int round = 0; round < 5; ++round) {
    std::vector<absl::StatusOr<v1::PushRecordsResponse>> responses(
        2, absl::StatusOr<v1::PushRecordsResponse>(status::Cancelled()));
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < responses.size(); ++i) {
        threads.emplace_back([this, i, round, &responses] {
          std::string csv = kHeader;
          for (int row = 0; row < 40; ++row) csv += Event(fmt::format("{}-{}-{}", round, i, row));
          responses[i] = Push(Header(kReplaceAll), csv);
        });
      }
    }
    ASSERT_THAT(responses[0], IsOk());
    ASSERT_THAT(responses[1], IsOk());
    EXPECT_NE(responses[0]->version(), responses[1]->version());
    const std::vector<std::string> students = Students();
    ASSERT_EQ(students.size(), 40U);
    const std::string last =
        fmt::format("{}-{}-", round, responses[0]->version() > responses[1]->version() ? 0 : 1);
    for (const std::string& student : students) EXPECT_THAT(student, HasSubstr(last));
  }
}

// A line of 2 GB, with and without quotes around it.
TEST_F(PushTest, ALineWithoutEndIsRefusedInBoundedMemory) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1")), IsOk());
  for (const std::string begin : {"", "\""}) {
    const PeakMemory memory;
    int written = 0;
    v1::PushRecordsResponse response;
    const auto next = [&begin](int number, std::string& csv) {
      csv.assign(kMiB, 'x');
      if (number == 0) csv = kHeader + begin;
      return number <= 2048;
    };
    const absl::Status status = PushMessages(Header(), next, &written, &response);
    EXPECT_THAT(status, HasReason("FIELD_INVALID"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("line 2: the record is longer"));
    EXPECT_LT(written, 100);
    EXPECT_LT(memory.GrownMiB(), 32);
  }
}

TEST_F(PushTest, ABatchOfAnySizeTakesBoundedMemory) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1")), IsOk());
  const PeakMemory memory;
  int written = 0;
  v1::PushRecordsResponse response;
  constexpr int kMessages = 300;  // of almost 1 MiB
  const auto next = [](int number, std::string& csv) {
    csv = number == 0 ? kHeader : Event(fmt::format("{}", number));
    if (number % 2 == 1) csv += Event(std::string(kMiB - 200, 'x'));
    return number <= kMessages;
  };
  EXPECT_THAT(PushMessages(Header(kReplaceAll), next, &written, &response), IsOk());
  EXPECT_EQ(written, kMessages + 1);
  EXPECT_EQ(response.received(), kMessages + kMessages / 2);
  EXPECT_EQ(response.inserted(), kMessages - 1);  // one was there
  EXPECT_EQ(response.rejected(), kMessages / 2);
  EXPECT_LT(memory.GrownMiB(), 32);
}

TEST_F(PushTest, AFileThatIsNotOfTheDatasetFillsNothing) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1")), IsOk());
  const PeakMemory memory;
  int written = 0;
  v1::PushRecordsResponse response;
  const auto next = [](int number, std::string& csv) {
    csv = number == 0 ? kHeader + Event("2") : std::string();
    while (csv.size() + 2 <= kMiB) csv += "a\n";
    return number < 2048;
  };
  const absl::Status status = PushMessages(Header(kReplaceAll), next, &written, &response);
  EXPECT_THAT(status, HasReason("FIELD_INVALID"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("more than 100000 records are rejected, and more than half of all; the "
                        "first at 3, the record has 1 fields, the header 5"));
  EXPECT_LT(written, 100);
  EXPECT_LT(memory.GrownMiB(), 32);
  EXPECT_EQ(server_.CountRows("sync_issue"), 0);
  EXPECT_THAT(Students(), ElementsAre("1"));
}

}  // namespace
}  // namespace edcert::dataset
