// Datasets and columns that the state adds while the service runs.
#include <thread>

#include "common/rpc/standard.h"
#include "common/status/details.h"
#include "services/dataset/definition_store.h"
#include "services/dataset/service_fixture_test.h"

namespace edcert::dataset {
namespace {

using edcert::testing::HasReason;
using edcert::testing::IsOk;
using ::testing::ElementsAre;

constexpr char kRides[] = "datasets/state_rides";
constexpr char kRidesHeader[] = "rider,school_id,day,miles,stops,paid,boarded_at,kind,notes\n";

v1::Column ColumnOf(const std::string& name, v1::Column::Type type, int length = 0) {
  v1::Column column;
  column.set_name(name);
  column.set_type(type);
  column.set_length(length);
  column.set_personal_data(v1::Column::PERSONAL_DATA_PERSONAL);
  return column;
}

// One column of each type.
v1::CreateDatasetRequest Rides() {
  v1::CreateDatasetRequest request;
  request.set_request_id(ids::IdSource::Real().NewId());
  request.set_dataset_id("state_rides");
  v1::Dataset& dataset = *request.mutable_dataset();
  dataset.set_title("Rides");
  *dataset.add_columns() = ColumnOf("rider", v1::Column::TYPE_STRING, 10);
  *dataset.add_columns() = ColumnOf("school_id", v1::Column::TYPE_STRING, 20);
  *dataset.add_columns() = ColumnOf("day", v1::Column::TYPE_DATE);
  *dataset.add_columns() = ColumnOf("miles", v1::Column::TYPE_DECIMAL);
  dataset.mutable_columns(3)->set_precision(4);
  dataset.mutable_columns(3)->set_scale(1);
  *dataset.add_columns() = ColumnOf("stops", v1::Column::TYPE_INT64);
  *dataset.add_columns() = ColumnOf("paid", v1::Column::TYPE_BOOL);
  *dataset.add_columns() = ColumnOf("boarded_at", v1::Column::TYPE_TIMESTAMP);
  *dataset.add_columns() = ColumnOf("kind", v1::Column::TYPE_CODE, 20);
  dataset.mutable_columns(7)->set_code_list("grade_level");
  *dataset.add_columns() = ColumnOf("notes", v1::Column::TYPE_CODES, 100);
  dataset.mutable_columns(8)->set_code_list("grade_level");
  for (const int key : {0, 2}) {
    dataset.mutable_columns(key)->set_required(true);
    dataset.add_key_columns(dataset.columns(key).name());
  }
  dataset.set_school_column("school_id");
  return request;
}

v1::Code CodeOf(const std::string& code) {
  v1::Code out;
  out.set_code(code);
  out.set_label("The " + code);
  return out;
}

class DefinitionTest : public DatasetServiceTest {
 protected:
  absl::StatusOr<v1::Dataset> Create(v1::CreateDatasetRequest request = Rides(),
                                     const std::string& user = "users/ada") {
    return Unary(&v1::Datasets::Stub::CreateDataset, request, user);
  }
  absl::StatusOr<v1::Dataset> Add(const std::string& dataset,
                                  const std::vector<v1::Column>& columns,
                                  const std::string& user = "users/ada") {
    v1::AddColumnsRequest request;
    request.set_request_id(ids::IdSource::Real().NewId());
    request.set_name(dataset);
    for (const v1::Column& column : columns) *request.add_columns() = column;
    return Unary(&v1::Datasets::Stub::AddColumns, request, user);
  }
  absl::StatusOr<v1::PushRecordsResponse> PushRides(const std::string& csv) {
    v1::PushRecordsRequest header = Header();
    header.mutable_header()->set_dataset(kRides);
    return Push(header, csv);
  }
  absl::StatusOr<v1::ListRecordsResponse> ListRides(type::Copy copy) {
    v1::ListRecordsRequest request;
    request.set_dataset(kRides);
    request.set_district(kDistrict);
    request.set_copy(copy);
    return Unary(&v1::Datasets::Stub::ListRecords, request);
  }
  absl::StatusOr<v1::PutCodesResponse> Put(const std::string& list,
                                           const std::vector<v1::Code>& codes,
                                           const std::string& user = "users/ada") {
    v1::PutCodesRequest request;
    request.set_request_id(ids::IdSource::Real().NewId());
    request.set_code_list(list);
    for (const v1::Code& code : codes) *request.add_codes() = code;
    return Unary(&v1::Datasets::Stub::PutCodes, request, user);
  }
  // The riders that the state took.
  std::vector<std::string> Taken() {
    std::vector<std::string> riders;
    const auto records = ListRides(type::COPY_STATE);
    EXPECT_THAT(records, IsOk());
    if (!records.ok()) return riders;
    for (const v1::Record& record : records->records()) riders.push_back(record.values(0));
    return riders;
  }
  // What a query answers to a role, or that it may not ask.
  absl::Status Ask(const std::string& role, const std::string& sql) {
    const auto connection =
        pg::Connection::Open(fmt::format("{} user={}", server_.database().owner_conninfo(), role));
    RETURN_IF_ERROR(connection.status());
    return (*connection)->RunScript(sql);
  }
};

// The field that BadRequest names.
template <typename T>
std::string FieldOf(const absl::StatusOr<T>& answer) {
  EXPECT_THAT(answer, HasReason("FIELD_INVALID"));
  const auto details = status::GetDetail<google::rpc::BadRequest>(answer.status());
  return details.has_value() && details->field_violations_size() > 0
             ? details->field_violations(0).field()
             : "";
}

TEST_F(DefinitionTest, ADatasetOfTheStateIsOneLikeTheOthers) {
  // Another process, that has read the definitions before.
  DefinitionCache elsewhere;
  pg::Database db = server_.database().db();
  ASSERT_EQ((*elsewhere.Get(db))->catalogue.Find("state_rides"), nullptr);
  const v1::CreateDatasetRequest request = Rides();
  const auto created = Create(request);
  ASSERT_THAT(created, IsOk());
  EXPECT_EQ(created->name(), kRides);
  EXPECT_FALSE(created->builtin());
  EXPECT_EQ(created->columns_size(), 9);
  EXPECT_TRUE(created->has_create_time());
  EXPECT_NE((*elsewhere.Get(db))->catalogue.Find("state_rides"), nullptr);
  EXPECT_EQ(Create(request)->SerializeAsString(), created->SerializeAsString());
  EXPECT_THAT(Create(), HasReason("ALREADY_EXISTS"));
  v1::GetDatasetRequest get;
  get.set_name(kRides);
  EXPECT_EQ(Unary(&v1::Datasets::Stub::GetDataset, get)->SerializeAsString(),
            created->SerializeAsString());

  const auto pushed = PushRides(std::string(kRidesHeader) +
                                "1,255901001,2025-10-01,12.5,3,yes,2025-10-01T08:00:00Z,05,05;06\n"
                                "2,255901001,2025-10-01,,,,,,\n"
                                "3,255901001,2025-10-01,1000.5,3,yes,,05,\n"
                                "4,255901001,2025-10-01,1.5,3,yes,,NOWHERE,\n");
  ASSERT_THAT(pushed, IsOk());
  EXPECT_EQ(pushed->inserted(), 3);
  EXPECT_EQ(pushed->issues(0).reason(), "NUMBER_OUT_OF_RANGE");
  RunJobs();
  const auto records = ListRides(type::COPY_STATE);
  ASSERT_THAT(records, IsOk());
  ASSERT_EQ(records->records_size(), 2);  // one has a code that is not in the list
  EXPECT_THAT(records->records(0).values(),
              ElementsAre("1", "255901001", "2025-10-01", "12.5", "3", "true",
                          "2025-10-01T08:00:00Z", "05", "05;06"));
  v1::CompareCopiesRequest compare;
  compare.set_district(kDistrict);
  compare.set_dataset(kRides);
  EXPECT_EQ(Unary(&v1::Datasets::Stub::CompareCopies, compare)->differences_size(), 1);

  for (const std::string role : {"validation", "snapshot", "rule_exec"}) {
    const std::string from = role == "rule_exec" ? "rule_read" : "dataset_read";
    EXPECT_THAT(Ask(role, "SELECT rider, miles FROM " + from +
                              ".state_rides WHERE copy = 'STATE'"
                              " AND valid_from <= 1 AND 1 < valid_to"),
                IsOk());
    EXPECT_FALSE(Ask(role, "SELECT rider FROM dataset.state_rides").ok());
  }
  EXPECT_FALSE(Ask("rule_exec", "SELECT rider FROM dataset_read.state_rides").ok());
}

TEST_F(DefinitionTest, ColumnsAreAddedBehindTheOthers) {
  ASSERT_THAT(Create(), IsOk());
  const std::string csv = std::string(kRidesHeader) + "1,255901001,2025-10-01,12.5,,,,,\n";
  ASSERT_THAT(PushRides(csv), IsOk());
  v1::Column longer = ColumnOf("miles", v1::Column::TYPE_DECIMAL);
  longer.set_precision(6);
  longer.set_scale(1);
  longer.set_unit("miles");
  const auto grown = Add(kRides, {ColumnOf("driver", v1::Column::TYPE_STRING, 40), longer,
                                  ColumnOf("rider", v1::Column::TYPE_STRING, 30)});
  // The key column has to stay required.
  EXPECT_EQ(FieldOf(grown), "columns[2]");
  v1::Column rider = ColumnOf("rider", v1::Column::TYPE_STRING, 30);
  rider.set_required(true);
  const auto added = Add(kRides, {ColumnOf("driver", v1::Column::TYPE_STRING, 40), longer, rider});
  ASSERT_THAT(added, IsOk());
  EXPECT_EQ(added->columns(9).name(), "driver");
  EXPECT_EQ(added->columns(3).unit(), "miles");
  // The record is what it was, to the bit.
  EXPECT_EQ(PushRides(csv)->unchanged(), 1);
  ASSERT_THAT(PushRides("rider,day,miles,driver\n"
                        "1,2025-10-01,12.5,Joe\n"
                        "a rider of ten and more,2025-10-01,10000.5,Joe\n"),
              IsOk());
  const auto records = ListRides(type::COPY_DISTRICT);
  ASSERT_EQ(records->records_size(), 2);
  EXPECT_EQ(records->records(0).values(9), "Joe");
  EXPECT_EQ(records->records(1).values(3), "10000.5");
  EXPECT_THAT(Ask("rule_exec", "SELECT driver, miles FROM rule_read.state_rides"), IsOk());
  longer.set_precision(5);
  EXPECT_EQ(FieldOf(Add(kRides, {longer})), "columns[0]");
}

TEST_F(DefinitionTest, AnUpgradeOfTheProductKeepsWhatTheStateAdded) {
  ASSERT_THAT(Push(Header(), kHeader + Event("1")), IsOk());
  ASSERT_THAT(Add(kDataset, {ColumnOf("state_bell", v1::Column::TYPE_STRING, 10)}), IsOk());
  ASSERT_THAT(Push(Header(),
                   "student_uid,school_id,event_date,category,school_year,state_bell\n"
                   "2,255901001,2025-10-01,TARDY,2026,3rd\n"),
              IsOk());
  std::vector<Dataset> newer = BuiltinCatalogue()->all();
  for (Dataset& dataset : newer) {
    if (!dataset.read_only()) dataset.columns.push_back({.name = "brand_new", .length = 5});
  }
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(Install(server_.database().owner(), *Catalogue::Make(newer), *BuiltinCodes()),
                IsOk());
  }
  ASSERT_THAT(Push(Header(),
                   "student_uid,school_id,event_date,category,school_year,brand_new,state_bell\n"
                   "3,255901001,2025-10-01,TARDY,2026,x,4th\n"),
              IsOk());
  const auto records = List(type::COPY_DISTRICT);
  ASSERT_EQ(records->records_size(), 3);
  const int last = records->columns_size() - 1;
  EXPECT_EQ(records->columns(last), "brand_new");
  EXPECT_EQ(records->columns(last - 1), "state_bell");
  EXPECT_EQ(records->records(1).values(last - 1), "3rd");
  EXPECT_EQ(records->records(2).values(last), "x");
}

TEST_F(DefinitionTest, RulesSeeOneDistrictOfTheStatesDatasets) {
  // An error when there are none.
  const auto records_of = [this](const std::string& district) {
    return Ask("rule_exec",
               fmt::format("BEGIN; SET LOCAL edcert.district = '{}';"
                           "SELECT 1 / count(rider) FROM rule_read.state_rides; COMMIT",
                           district));
  };
  const auto check = [&] {
    EXPECT_THAT(records_of("255901"), IsOk());
    EXPECT_FALSE(records_of("255902").ok());
    EXPECT_FALSE(records_of("").ok());
  };
  ASSERT_THAT(Create(), IsOk());
  ASSERT_THAT(PushRides(std::string(kRidesHeader) + "1,255901001,2025-10-01,12.5,,,,,\n"), IsOk());
  check();
  ASSERT_THAT(Add(kRides, {ColumnOf("driver", v1::Column::TYPE_STRING, 40)}), IsOk());
  check();
  // As a version of the product left it that had no views for rules.
  pg::Connection& owner = server_.database().owner();
  ASSERT_THAT(owner.RunScript("DROP VIEW rule_read.state_rides"), IsOk());
  ASSERT_THAT(Install(owner, *BuiltinCatalogue(), *BuiltinCodes()), IsOk());
  check();
}

// What the push read by the old definition would leave the new column as it was.
TEST_F(DefinitionTest, APushThatBeganBeforeAColumnCameIsRepeated) {
  ASSERT_THAT(Create(), IsOk());
  v1::PushRecordsRequest header = Header();
  header.mutable_header()->set_dataset(kRides);
  grpc::ClientContext context;
  server_.CallAs(context, "users/dan");
  v1::PushRecordsResponse response;
  const auto writer = stub_->PushRecords(&context, &response);
  writer->Write(header);
  v1::PushRecordsRequest message;
  message.set_csv(std::string(kRidesHeader) + "1,255901001,2025-10-01,12.5,,,,,\n");
  writer->Write(message);
  pg::Database db = server_.database().db();
  while (
      (*db.RunText("SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE"
                   " 'COPY batch_row%' AND state = 'active' AND datname = current_database()"))[0]
          .Int("n") == 0) {
    std::this_thread::yield();
  }
  // It keeps nobody from adding one.
  ASSERT_THAT(Add(kRides, {ColumnOf("driver", v1::Column::TYPE_STRING, 40)}), IsOk());
  writer->WritesDone();
  EXPECT_THAT(rpc::FromGrpc(writer->Finish()), HasReason("CONFLICT"));
  EXPECT_EQ(server_.CountRows("state_rides"), 0);
  EXPECT_EQ(Push(header, message.csv())->inserted(), 1);
  // A dataset of another name is nothing to it.
  v1::CreateDatasetRequest other = Rides();
  other.set_dataset_id("state_walks");
  ASSERT_THAT(Create(other), IsOk());
  EXPECT_THAT(PushRides(message.csv()), IsOk());
}

TEST_F(DefinitionTest, WaitsForReadersOnlyShortly) {
  ASSERT_THAT(Create(), IsOk());
  const auto reader =
      pg::Connection::Open(fmt::format("{} user=rule_exec", server_.database().owner_conninfo()));
  ASSERT_THAT((*reader)->RunScript("BEGIN; SELECT rider FROM rule_read.state_rides"), IsOk());
  EXPECT_THAT(Add(kRides, {ColumnOf("driver", v1::Column::TYPE_STRING, 40)}),
              ::testing::AnyOf(HasReason("CONFLICT"), HasReason("DEADLINE_EXCEEDED")));
  ASSERT_THAT((*reader)->RunScript("SELECT rider FROM rule_read.state_rides; COMMIT"), IsOk());
  EXPECT_THAT(Add(kRides, {ColumnOf("driver", v1::Column::TYPE_STRING, 40)}), IsOk());
}

TEST_F(DefinitionTest, TheStateKeepsCodesOfItsOwn) {
  v1::Code van = CodeOf("VAN");
  *van.mutable_effective_to() = rpc::ToProto(absl::CivilDay(2025, 9, 30));
  const auto made = Put("state_vehicle", {CodeOf("BUS"), van});
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->added(), 2);
  v1::CreateDatasetRequest request = Rides();
  request.mutable_dataset()->mutable_columns(7)->set_code_list("state_vehicle");
  request.mutable_dataset()->mutable_columns(7)->set_date_column("day");
  ASSERT_THAT(Create(request), IsOk());
  ASSERT_THAT(PushRides("rider,day,kind\n1,2025-10-01,BUS\n2,2025-10-01,VAN\n3,2025-10-01,TRAM\n"
                        "4,2025-09-30,VAN\n"),
              IsOk());
  RunJobs();
  EXPECT_THAT(Taken(), ElementsAre("1", "4"));

  // The van goes on, and there is a tram from that day on.
  v1::Code tram = CodeOf("TRAM");
  *tram.mutable_effective_from() = rpc::ToProto(absl::CivilDay(2025, 10, 1));
  const auto more = Put("state_vehicle", {tram, CodeOf("BUS"), CodeOf("VAN")});
  ASSERT_THAT(more, IsOk());
  EXPECT_EQ(more->added(), 1);
  EXPECT_EQ(more->changed(), 1);
  EXPECT_EQ(more->version(), made->version() + 1);
  const auto same = Put("state_vehicle", {tram});
  EXPECT_EQ(same->added() + same->changed(), 0);
  EXPECT_EQ(same->version(), more->version());
  v1::ResyncRequest resync;
  resync.set_request_id(ids::IdSource::Real().NewId());
  resync.set_district(kDistrict);
  resync.add_datasets(kRides);
  ASSERT_THAT(Unary(&v1::Datasets::Stub::Resync, resync), IsOk());
  RunJobs();
  EXPECT_THAT(Taken(), ElementsAre("1", "2", "3", "4"));
  // Rules look them up.
  v1::ListRecordsRequest list;
  list.set_dataset("datasets/code");
  list.set_district(kDistrict);
  list.set_copy(type::COPY_STATE);
  list.set_page_size(1000);
  const auto codes = Unary(&v1::Datasets::Stub::ListRecords, list);
  ASSERT_THAT(codes, IsOk());
  EXPECT_EQ(codes->version(), more->version());
  const auto tram_record = std::find_if(
      codes->records().begin(), codes->records().end(),
      [](const v1::Record& record) { return record.record_key() == "state_vehicle|TRAM"; });
  ASSERT_NE(tram_record, codes->records().end());
  EXPECT_THAT(tram_record->values(),
              ElementsAre("state_vehicle", "TRAM", "The TRAM", "2025-10-01", ""));
}

TEST_F(DefinitionTest, AnUpgradeLeavesWhatTheStateSaidOfACode) {
  v1::Code senior = CodeOf("12");
  *senior.mutable_effective_from() = rpc::ToProto(absl::CivilDay(2020, 1, 1));
  const auto put = Put("grade_level", {senior, CodeOf("14")});
  ASSERT_THAT(put, IsOk());
  EXPECT_EQ(put->added(), 1);
  EXPECT_EQ(put->changed(), 1);
  std::vector<Code> newer = *BuiltinCodes();
  for (Code& code : newer) code.label += " (new)";
  newer.push_back({.list = "grade_level", .code = "14", .label = "Of the product"});
  ASSERT_THAT(Install(server_.database().owner(), *BuiltinCatalogue(), newer), IsOk());
  const auto label = [this](const std::string& code) {
    pg::Database db = server_.database().db();
    const auto rows = db.RunText(
        "SELECT label FROM dataset.code WHERE code_list = 'grade_level' AND code = $1", code);
    return rows.ok() ? (*rows)[0].Text("label") : rows.status().ToString();
  };
  EXPECT_EQ(label("12"), "The 12");
  EXPECT_EQ(label("14"), "The 14");
  EXPECT_EQ(label("11"), "Grade 11 (new)");
}

TEST_F(DefinitionTest, RefusesWhatIsNoCode) {
  EXPECT_THAT(Put("state_x", {CodeOf("A")}, "users/dan"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Put("state_x", {CodeOf("A")}, "users/ron"), HasReason("NOT_PERMITTED"));
  EXPECT_EQ(FieldOf(Put("new_list", {CodeOf("A")})), "code_list");
  EXPECT_EQ(FieldOf(Put("", {CodeOf("A")})), "code_list");
  EXPECT_EQ(FieldOf(Put("state_x", {})), "codes");
  EXPECT_EQ(FieldOf(Put("state_x", std::vector<v1::Code>(1001, CodeOf("A")))), "codes");
  for (const std::string code : {"", "A;B", "A\nB"}) {
    EXPECT_EQ(FieldOf(Put("state_x", {CodeOf("A"), CodeOf(code)})), "codes[1].code") << code;
  }
  EXPECT_EQ(FieldOf(Put("state_x", {CodeOf("A"), CodeOf("A")})), "codes[1].code");
  EXPECT_EQ(FieldOf(Put("state_x", {CodeOf(std::string(61, 'A'))})), "codes[0].code");
  v1::Code bad = CodeOf("A");
  bad.clear_label();
  EXPECT_EQ(FieldOf(Put("state_x", {bad})), "codes[0].label");
  bad = CodeOf("A");
  *bad.mutable_effective_from() = rpc::ToProto(absl::CivilDay(2025, 9, 30));
  *bad.mutable_effective_to() = rpc::ToProto(absl::CivilDay(2025, 9, 29));
  EXPECT_EQ(FieldOf(Put("state_x", {bad})), "codes[0].effective_to");
  bad.mutable_effective_to()->set_day(31);
  EXPECT_EQ(FieldOf(Put("state_x", {bad})), "codes[0].effective_to");
  EXPECT_EQ(server_.CountRows("code"), static_cast<int64_t>(BuiltinCodes()->size()));
  // Many.
  pg::Connection& owner = server_.database().owner();
  ASSERT_THAT(owner.RunScript("INSERT INTO dataset.code (code_list, code, label)"
                              " SELECT 'state_x', n, 'n' FROM generate_series(1, 9999) n"),
              IsOk());
  EXPECT_THAT(Put("state_x", {CodeOf("A")}), IsOk());
  EXPECT_THAT(Put("state_x", {CodeOf("B")}), HasReason("QUOTA_EXCEEDED"));
  EXPECT_THAT(Put("state_x", {CodeOf("A")}), IsOk());
  ASSERT_THAT(owner.RunScript("INSERT INTO dataset.code (code_list, code, label)"
                              " SELECT 'state_' || n, 'A', 'A' FROM generate_series(1, 999) n"),
              IsOk());
  EXPECT_THAT(Put("state_y", {CodeOf("A")}), HasReason("QUOTA_EXCEEDED"));
}

TEST_F(DefinitionTest, RefusesWhatIsNoDefinition) {
  EXPECT_THAT(Create(Rides(), "users/dan"), HasReason("NOT_PERMITTED"));
  EXPECT_THAT(Create(Rides(), "users/ron"), HasReason("NOT_PERMITTED"));
  const auto field = [this](void (*spoil)(v1::CreateDatasetRequest&)) {
    v1::CreateDatasetRequest request = Rides();
    spoil(request);
    return FieldOf(Create(request));
  };
  for (const char* id : {"rides", "state_", "state_Rides", "state_a-b", "state_a_history", "batch",
                         "state_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}) {
    v1::CreateDatasetRequest request = Rides();
    request.set_dataset_id(id);
    EXPECT_EQ(FieldOf(Create(request)), "dataset_id") << id;
  }
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->clear_title(); }), "dataset.title");
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->clear_columns(); }), "dataset.columns");
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->clear_key_columns(); }),
            "dataset.key_columns");
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->add_key_columns("miles"); }),
            "dataset.key_columns");
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->add_key_columns("nothing"); }),
            "dataset.key_columns");
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->clear_school_column(); }),
            "dataset.school_column");
  for (const char* name : {"select", "order", "values", "row_hash", "valid_to", "Rider", "1st",
                           "a b", "a\"; DROP TABLE dataset.batch; --"}) {
    v1::CreateDatasetRequest request = Rides();
    request.mutable_dataset()->mutable_columns(4)->set_name(name);
    EXPECT_EQ(FieldOf(Create(request)), "dataset.columns[4].name") << name;
  }
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->mutable_columns(4)->set_name("miles"); }),
            "dataset.columns[4].name");
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->mutable_columns(4)->clear_type(); }),
            "dataset.columns[4].type");
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->mutable_columns(4)->set_length(5); }),
            "dataset.columns[4].length");
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->mutable_columns(0)->set_length(4001); }),
            "dataset.columns[0].length");
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->mutable_columns(3)->set_precision(39); }),
            "dataset.columns[3].precision");
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->mutable_columns(3)->set_scale(5); }),
            "dataset.columns[3].precision");
  EXPECT_EQ(field([](auto& it) { it.mutable_dataset()->mutable_columns(7)->set_code_list("x"); }),
            "dataset.columns[7].code_list");
  EXPECT_EQ(server_.CountRows("definition"),
            static_cast<int64_t>(BuiltinCatalogue()->all().size()));
  EXPECT_THAT(Add(kRides, {ColumnOf("driver", v1::Column::TYPE_STRING, 40)}),
              HasReason("NOT_FOUND"));
  EXPECT_THAT(Add(kDataset, {ColumnOf("state_x", v1::Column::TYPE_STRING, 40)}, "users/dan"),
              HasReason("NOT_PERMITTED"));
  EXPECT_EQ(FieldOf(Add(kDataset, {ColumnOf("driver", v1::Column::TYPE_STRING, 40)})),
            "columns[0].name");
  EXPECT_EQ(FieldOf(Add(kDataset, {})), "columns");
  EXPECT_EQ(FieldOf(Add("datasets/code", {ColumnOf("state_x", v1::Column::TYPE_STRING, 40)})),
            "name");
}

// The service's role makes tables by the one function, and that one makes nothing else.
TEST_F(DefinitionTest, TheRoleOfTheServiceCanDoNoMore) {
  const std::string forge =
      "INSERT INTO dataset.definition (dataset, title, description, key_columns, school_column,"
      " builtin) VALUES ('{0}', '', '', '{{a}}', '', false);"
      "INSERT INTO dataset.definition_column (dataset, ordinal, name, type, length, precision,"
      " scale, code_list, required, personal_data, description, unit)"
      " VALUES ('{0}', 1, '{1}', 'STRING', 1, 0, 0, '', true, 'NONE', '', '');"
      "SELECT dataset.make_records('{0}')";
  const auto make = [&](const std::string& dataset, const std::string& column) {
    return Ask("dataset", fmt::format(fmt::runtime(forge), dataset, column));
  };
  EXPECT_THAT(make("state_a", "a"), IsOk());
  EXPECT_FALSE(make("batch", "a").ok());
  EXPECT_FALSE(make("sync_issue", "a").ok());
  EXPECT_FALSE(make("organization", "a").ok());
  EXPECT_FALSE(make("mine", "a").ok());
  EXPECT_FALSE(make("state_a_history", "a").ok());
  EXPECT_FALSE(make("state_b", "valid_from").ok());
  EXPECT_FALSE(make("state_b", "x; DROP TABLE dataset.batch").ok());
  EXPECT_FALSE(Ask("dataset", "CREATE TABLE dataset.mine (a int)").ok());
  EXPECT_FALSE(Ask("dataset", "ALTER TABLE dataset.state_a ADD COLUMN b int").ok());
  EXPECT_FALSE(Ask("dataset", "CREATE VIEW dataset_read.mine AS SELECT 1").ok());
  EXPECT_FALSE(Ask("rule_exec", "SELECT dataset.make_records('state_a')").ok());
  EXPECT_FALSE(Ask("dataset", "SELECT dataset.make_rule_view('enrollment')").ok());
  EXPECT_EQ(server_.CountRows("batch"), 0);
}

}  // namespace
}  // namespace edcert::dataset
