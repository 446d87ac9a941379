#include "common/pg/pg.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "common/clock/clock.h"
#include "common/log/log.h"
#include "common/status/error.h"
#include "common/status/errors.h"
#include "common/status/macros.h"

namespace edcert::pg {
namespace {

constexpr Statement kBegin{"pg.begin", "BEGIN"};
constexpr Statement kCommit{"pg.commit", "COMMIT"};
constexpr Statement kRollback{"pg.rollback", "ROLLBACK"};
constexpr char kSqlStatePayload[] = "edcert.internal/sqlstate";
constexpr int kMaxAttempts = 4;

bool IsConnectionState(std::string_view sqlstate) {
  return sqlstate.starts_with("08") || sqlstate.starts_with("57P") || sqlstate == "53300";
}

absl::Status StatusOfSqlState(std::string_view sqlstate, std::string_view constraint) {
  using status::MakeError;
  using status::Reason;
  if (sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03") return status::Conflict();
  if (sqlstate == "57014") return status::DeadlineExceeded();
  if (sqlstate == "25P03" || IsConnectionState(sqlstate)) return status::Unavailable("database");
  if (sqlstate == "23505") {
    return MakeError(Reason::kAlreadyExists, "a resource with this key exists",
                     {{"constraint", std::string(constraint)}});
  }
  if (sqlstate == "23503") {
    return MakeError(Reason::kInUse, "another resource refers to this one, or one is missing",
                     {{"constraint", std::string(constraint)}});
  }
  return status::Internal("database");
}

absl::Status CheckParams(const std::vector<Param>& params) {
  for (const Param& param : params) {
    if (param.HasNul()) return status::FieldInvalid("text", "must not hold a NUL character");
  }
  return absl::OkStatus();
}

std::string_view FieldOf(const PGresult* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text == nullptr ? "" : text;
}

}  // namespace

std::string SqlStateOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kSqlStatePayload);
  return payload.has_value() ? std::string(*payload) : "";
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& conninfo) {
  const std::string full =
      conninfo +
      " connect_timeout=3 tcp_user_timeout=10000 keepalives_idle=10 keepalives_interval=5"
      " client_encoding=UTF8 options='-c TimeZone=UTC -c lock_timeout=5s -c DateStyle=ISO"
      " -c statement_timeout=0 -c idle_in_transaction_session_timeout=60s'";
  PGconn* conn = PQconnectdb(full.c_str());
  std::unique_ptr<Connection> connection(new Connection(conn));
  if (PQstatus(conn) != CONNECTION_OK) {
    log::Warning("cannot connect to PostgreSQL", {{"error", PQerrorMessage(conn)}});
    return status::Unavailable("database");
  }
  PQsetnonblocking(conn, 1);
  PQsetNoticeProcessor(conn, [](void*, const char*) {}, nullptr);
  return connection;
}

void Connection::Queue(const Statement& statement, std::vector<Param> params) {
  Queued queued{statement, "", std::move(params)};
  if (statement.name.empty()) {
    queued.text = std::string(statement.sql);
    queued.statement.sql = {};
  }
  queue_.push_back(std::move(queued));
}

absl::Status Connection::Broken(std::string_view what) {
  if (!broken_) {
    log::Warning("lost a PostgreSQL connection",
                 {{"while", std::string(what)}, {"error", PQerrorMessage(conn_.get())}});
  }
  broken_ = true;
  return status::Unavailable("database");
}

absl::Status Connection::ErrorOf(const PGresult* result, std::string_view statement) {
  const std::string sqlstate(FieldOf(result, PG_DIAG_SQLSTATE));
  absl::Status error = sqlstate.empty()
                           ? Broken("reading a result")
                           : StatusOfSqlState(sqlstate, FieldOf(result, PG_DIAG_CONSTRAINT_NAME));
  if (IsConnectionState(sqlstate)) broken_ = true;
  if (error.code() == absl::StatusCode::kInternal) {
    // Names and numbers only. Message, detail and context can hold a value of the data.
    log::Error("PostgreSQL refused a statement",
               {{"sqlstate", sqlstate},
                {"severity", std::string(FieldOf(result, PG_DIAG_SEVERITY_NONLOCALIZED))},
                {"statement", statement.empty() ? "unnamed" : std::string(statement)},
                {"position", std::string(FieldOf(result, PG_DIAG_STATEMENT_POSITION))},
                {"table", std::string(FieldOf(result, PG_DIAG_TABLE_NAME))},
                {"constraint", std::string(FieldOf(result, PG_DIAG_CONSTRAINT_NAME))}});
  }
  error.SetPayload(kSqlStatePayload, absl::Cord(sqlstate));
  return error;
}

absl::Status Connection::WaitForServer(bool writing, absl::Time deadline) {
  const absl::Duration left = deadline - clock::Clock::Real().Now();
  if (left <= absl::ZeroDuration()) {
    // The statement may still run: cancel it, and never use this connection again.
    std::array<char, 256> error;
    if (PGcancel* cancel = PQgetCancel(conn_.get()); cancel != nullptr) {
      PQcancel(cancel, error.data(), error.size());
      PQfreeCancel(cancel);
    }
    broken_ = true;
    return status::DeadlineExceeded();
  }
  pollfd fd{PQsocket(conn_.get()), static_cast<short>(POLLIN | (writing ? POLLOUT : 0)), 0};
  const int64_t millis = std::min<int64_t>(absl::ToInt64Milliseconds(left) + 1, 1'000'000);
  const int ready = poll(&fd, 1, static_cast<int>(millis));
  if (ready < 0 && errno != EINTR) return Broken("poll");
  if (ready > 0 && (fd.revents & (POLLIN | POLLERR | POLLHUP)) != 0 &&
      PQconsumeInput(conn_.get()) == 0) {
    return Broken("reading");
  }
  return absl::OkStatus();
}

absl::StatusOr<PGresult*> Connection::NextResult(absl::Time deadline) {
  while (true) {
    const int unsent = PQflush(conn_.get());
    if (unsent < 0) return Broken("sending");
    if (PQisBusy(conn_.get()) == 0) break;
    RETURN_IF_ERROR(WaitForServer(unsent == 1, deadline));
  }
  return PQgetResult(conn_.get());
}

absl::Status Connection::Send(const Queued& queued, std::vector<std::string_view>& preparing) {
  const std::size_t count = queued.params.size();
  std::vector<const char*> values(count);
  std::vector<int> lengths(count);
  std::vector<int> formats(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = queued.params[i].data();
    lengths[i] = queued.params[i].length();
    formats[i] = queued.params[i].format();
  }
  const int n = static_cast<int>(count);
  const Statement& statement = queued.statement;
  if (statement.name.empty()) {
    return PQsendQueryParams(conn_.get(), queued.text.c_str(), n, nullptr, values.data(),
                             lengths.data(), formats.data(), 0) == 1
               ? absl::OkStatus()
               : Broken("sending");
  }
  const std::string name(statement.name);
  const bool known =
      prepared_.contains(statement.name) ||
      std::find(preparing.begin(), preparing.end(), statement.name) != preparing.end();
  if (!known) {
    if (PQsendPrepare(conn_.get(), name.c_str(), std::string(statement.sql).c_str(), n, nullptr) !=
        1) {
      return Broken("preparing");
    }
  }
  preparing.push_back(known ? std::string_view() : statement.name);
  return PQsendQueryPrepared(conn_.get(), name.c_str(), n, values.data(), lengths.data(),
                             formats.data(), 0) == 1
             ? absl::OkStatus()
             : Broken("sending");
}

absl::Status Connection::SendAll(absl::Time deadline, std::vector<std::string_view>& preparing) {
  if (broken_) return status::Unavailable("database");
  if (clock::Clock::Real().Now() >= deadline) return status::DeadlineExceeded();
  for (const Queued& queued : queue_) RETURN_IF_ERROR(CheckParams(queued.params));
  if (PQpipelineStatus(conn_.get()) == PQ_PIPELINE_OFF && PQenterPipelineMode(conn_.get()) != 1) {
    return Broken("entering pipeline mode");
  }
  for (const Queued& queued : queue_) {
    // `preparing` holds, for each named statement, its name when it is prepared just now.
    RETURN_IF_ERROR(Send(queued, preparing));
    if (queued.statement.name.empty()) preparing.push_back(std::string_view());
  }
  if (PQpipelineSync(conn_.get()) != 1) return Broken("sending");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Result>> Connection::Flush(absl::Time deadline) {
  std::vector<std::string_view> preparing;
  const absl::Status sent = SendAll(deadline, preparing);
  std::vector<std::string_view> names;
  for (const Queued& queued : queue_) names.push_back(queued.statement.name);
  const std::size_t count = queue_.size();
  queue_.clear();
  if (!sent.ok()) return sent;

  std::vector<Result> results;
  absl::Status failure = absl::OkStatus();
  const auto read_one = [&]() -> absl::StatusOr<PGresult*> {
    // A statement's result is followed by a null that ends it.
    ASSIGN_OR_RETURN(PGresult * result, NextResult(deadline));
    if (result == nullptr) return Broken("missing result");
    ASSIGN_OR_RETURN(PGresult * end, NextResult(deadline));
    if (end != nullptr) {
      PQclear(end);
      PQclear(result);
      return Broken("unexpected result");
    }
    return result;
  };
  for (std::size_t i = 0; i < count; ++i) {
    const bool prepares = !preparing[i].empty();
    for (int part = prepares ? 0 : 1; part < 2; ++part) {
      ASSIGN_OR_RETURN(PGresult * raw, read_one());
      Result result(raw);
      const ExecStatusType type = PQresultStatus(raw);
      if (type == PGRES_PIPELINE_ABORTED) continue;
      if (type == PGRES_COMMAND_OK || type == PGRES_TUPLES_OK || type == PGRES_EMPTY_QUERY) {
        if (part == 0) {
          prepared_.insert(preparing[i]);
        } else {
          results.push_back(std::move(result));
        }
      } else if (failure.ok()) {
        failure = ErrorOf(raw, names[i]);
      }
    }
  }
  ASSIGN_OR_RETURN(PGresult * sync, NextResult(deadline));
  const bool synced = sync != nullptr && PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
  PQclear(sync);
  if (!synced) return Broken("missing sync");
  if (!failure.ok()) return failure;
  return results;
}

absl::Status Connection::Stream(const Statement& statement, const std::vector<Param>& params,
                                absl::Time deadline,
                                absl::FunctionRef<absl::Status(const Row&)> each) {
  if (!queue_.empty()) RETURN_IF_ERROR(Flush(deadline).status());
  if (broken_) return status::Unavailable("database");
  if (PQpipelineStatus(conn_.get()) != PQ_PIPELINE_OFF && PQexitPipelineMode(conn_.get()) != 1) {
    return Broken("leaving pipeline mode");
  }
  RETURN_IF_ERROR(CheckParams(params));
  Queued queued{{"", {}}, std::string(statement.sql), params};
  std::vector<std::string_view> preparing;
  RETURN_IF_ERROR(Send(queued, preparing));
  if (PQsetSingleRowMode(conn_.get()) != 1) return Broken("single-row mode");
  absl::Status failure = absl::OkStatus();
  while (true) {
    ASSIGN_OR_RETURN(PGresult * raw, NextResult(deadline));
    if (raw == nullptr) break;
    Result result(raw);
    const ExecStatusType type = PQresultStatus(raw);
    if (type == PGRES_SINGLE_TUPLE) {
      if (failure.ok()) failure = each(result[0]);
    } else if (type != PGRES_TUPLES_OK && type != PGRES_COMMAND_OK && failure.ok()) {
      failure = ErrorOf(raw, "stream");
    }
  }
  return failure;
}

absl::Status Connection::SendCopy(const std::string& sql, ExecStatusType expected,
                                  absl::Time deadline) {
  if (!queue_.empty()) RETURN_IF_ERROR(Flush(deadline).status());
  if (broken_) return status::Unavailable("database");
  if (PQpipelineStatus(conn_.get()) != PQ_PIPELINE_OFF && PQexitPipelineMode(conn_.get()) != 1) {
    return Broken("leaving pipeline mode");
  }
  if (PQsendQuery(conn_.get(), sql.c_str()) != 1) return Broken("sending");
  ASSIGN_OR_RETURN(PGresult * raw, NextResult(deadline));
  const Result result(raw);
  if (PQresultStatus(raw) == expected) return absl::OkStatus();
  absl::Status failure = ErrorOf(raw, "copy");
  ASSIGN_OR_RETURN(PGresult * end, NextResult(deadline));
  PQclear(end);
  return failure;
}

absl::Status Connection::StartCopy(const std::string& sql, absl::Time deadline) {
  return SendCopy(sql, PGRES_COPY_IN, deadline);
}

absl::Status Connection::CopyOut(const std::string& sql, absl::Time deadline,
                                 absl::FunctionRef<absl::Status(std::string_view)> each) {
  RETURN_IF_ERROR(SendCopy(sql, PGRES_COPY_OUT, deadline));
  while (true) {
    char* data = nullptr;
    const int size = PQgetCopyData(conn_.get(), &data, /*async=*/1);
    if (size == -2) return Broken("copying");
    if (size == -1) break;
    if (size == 0) {
      RETURN_IF_ERROR(WaitForServer(/*writing=*/false, deadline));
      continue;
    }
    const absl::Status taken = each({data, static_cast<std::size_t>(size)});
    PQfreemem(data);
    if (!taken.ok()) {
      Discard();
      return taken;
    }
  }
  absl::Status failure = absl::OkStatus();
  while (true) {
    ASSIGN_OR_RETURN(PGresult * raw, NextResult(deadline));
    if (raw == nullptr) return failure;
    const Result result(raw);
    if (PQresultStatus(raw) != PGRES_COMMAND_OK && failure.ok()) failure = ErrorOf(raw, "copy");
  }
}

absl::Status Connection::PutCopyData(std::string_view data, absl::Time deadline) {
  while (true) {
    const int put = PQputCopyData(conn_.get(), data.data(), static_cast<int>(data.size()));
    if (put < 0) return Broken("copying");
    const int unsent = PQflush(conn_.get());
    if (unsent < 0) return Broken("copying");
    if (put == 1 && unsent == 0) return absl::OkStatus();
    if (unsent == 1) RETURN_IF_ERROR(WaitForServer(true, deadline));
    if (put == 1) {
      // Queued in libpq; keep its buffer small by draining it before taking more.
      while (PQflush(conn_.get()) == 1) RETURN_IF_ERROR(WaitForServer(true, deadline));
      return absl::OkStatus();
    }
  }
}

absl::StatusOr<int64_t> Connection::EndCopy(absl::Time deadline) {
  while (true) {
    const int ended = PQputCopyEnd(conn_.get(), nullptr);
    if (ended < 0) return Broken("copying");
    if (ended == 1) break;
    RETURN_IF_ERROR(WaitForServer(true, deadline));
  }
  absl::Status failure = absl::OkStatus();
  int64_t rows = 0;
  while (true) {
    ASSIGN_OR_RETURN(PGresult * raw, NextResult(deadline));
    if (raw == nullptr) break;
    const Result result(raw);
    if (PQresultStatus(raw) == PGRES_COMMAND_OK) {
      rows = result.affected();
    } else if (failure.ok()) {
      failure = ErrorOf(raw, "copy");
    }
  }
  if (!failure.ok()) return failure;
  return rows;
}

absl::Status Connection::RunScript(const std::string& sql) {
  if (PQpipelineStatus(conn_.get()) != PQ_PIPELINE_OFF && PQexitPipelineMode(conn_.get()) != 1) {
    return Broken("leaving pipeline mode");
  }
  PGresult* raw = PQexec(conn_.get(), sql.c_str());
  const Result result(raw);
  const ExecStatusType type = PQresultStatus(raw);
  if (type == PGRES_COMMAND_OK || type == PGRES_TUPLES_OK || type == PGRES_EMPTY_QUERY) {
    return absl::OkStatus();
  }
  return ErrorOf(raw, "script");
}

bool Connection::Idle() const {
  return queue_.empty() && PQtransactionStatus(conn_.get()) == PQTRANS_IDLE;
}

bool Connection::Alive() {
  if (broken_) return false;
  // An idle connection has nothing to say but farewell: the server's last words, or the end of the
  // line. A changed setting is said too; then the connection is lost for nothing, which is cheap.
  pollfd fd{PQsocket(conn_.get()), POLLIN, 0};
  return poll(&fd, 1, 0) == 0;
}

Pool::Pool(Options options) : options_(std::move(options)) {}

Pool::~Pool() = default;

Pool::Lease::~Lease() {
  if (connection_ != nullptr) pool_->Release(std::move(connection_));
}

absl::StatusOr<Pool::Lease> Pool::Acquire(absl::Time deadline) {
  {
    const absl::Time until = std::min(deadline, clock::Clock::Real().Now() + options_.max_wait);
    absl::MutexLock lock(&mutex_);
    const auto available = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return !idle_.empty() || open_ < options_.size;
    };
    if (!mutex_.AwaitWithDeadline(absl::Condition(&available), until)) {
      return status::Overloaded("database connections");
    }
    while (!idle_.empty()) {
      std::unique_ptr<Connection> connection = std::move(idle_.back());
      idle_.pop_back();
      if (connection->Alive()) return Lease(this, std::move(connection));
      --open_;
    }
    ++open_;
  }
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(options_.conninfo);
  if (!connection.ok()) {
    absl::MutexLock lock(&mutex_);
    --open_;
    return connection.status();
  }
  return Lease(this, *std::move(connection));
}

void Pool::Release(std::unique_ptr<Connection> connection) {
  const bool usable = !connection->broken() && connection->Idle();
  absl::MutexLock lock(&mutex_);
  if (usable) {
    idle_.push_back(std::move(connection));
  } else {
    --open_;
  }
}

absl::StatusOr<Result> Database::Execute(const Statement& statement,
                                         const std::vector<Param>& params) {
  ASSIGN_OR_RETURN(const Pool::Lease lease, pool_->Acquire(deadline_));
  lease->Queue(statement, params);
  ASSIGN_OR_RETURN(std::vector<Result> results, lease->Flush(deadline_));
  return std::move(results.front());
}

absl::Status Database::RunInTransaction(absl::FunctionRef<absl::Status(Transaction&)> body) {
  for (int attempt = 1;; ++attempt) {
    absl::Status result;
    {
      ASSIGN_OR_RETURN(const Pool::Lease lease, pool_->Acquire(deadline_));
      Transaction transaction(*lease, deadline_);
      result = body(transaction);
      if (result.ok()) {
        result = transaction.Commit();
      } else {
        transaction.Rollback();
      }
    }
    const bool conflict = status::ReasonOf(result) == "CONFLICT";
    if (!conflict || attempt == kMaxAttempts) return result;
    const absl::Duration pause = absl::Milliseconds(5 * attempt * attempt);
    if (clock::Clock::Real().Now() + pause >= deadline_) return result;
    absl::SleepFor(pause);
  }
}

void Transaction::Enqueue(const Statement& statement, std::vector<Param> params, bool expect_one) {
  if (!begun_) {
    connection_.Queue(kBegin, {});
    expect_one_.push_back(false);
    begun_ = true;
  }
  connection_.Queue(statement, std::move(params));
  expect_one_.push_back(expect_one);
}

absl::StatusOr<std::vector<Result>> Transaction::FlushAndCheck() {
  const std::vector<bool> expect_one = std::exchange(expect_one_, {});
  begin_sent_ = true;
  ASSIGN_OR_RETURN(std::vector<Result> results, connection_.Flush(deadline_));
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (expect_one[i] && results[i].affected() != 1) return status::Conflict();
  }
  return results;
}

absl::StatusOr<Result> Transaction::Execute(const Statement& statement,
                                            const std::vector<Param>& params) {
  Enqueue(statement, params, /*expect_one=*/false);
  ASSIGN_OR_RETURN(std::vector<Result> results, FlushAndCheck());
  return std::move(results.back());
}

absl::Status Transaction::Settle() {
  if (!begun_) RETURN_IF_ERROR(RunText("SELECT 1").status());
  if (connection_.queued() > 0) RETURN_IF_ERROR(FlushAndCheck().status());
  return absl::OkStatus();
}

absl::Status Transaction::Stream(const std::string& sql, const std::vector<Param>& params,
                                 absl::FunctionRef<absl::Status(const Row&)> each) {
  RETURN_IF_ERROR(Settle());
  return connection_.Stream(Statement{"", sql}, params, deadline_, each);
}

absl::Status Transaction::StartCopy(const std::string& sql) {
  RETURN_IF_ERROR(Settle());
  return connection_.StartCopy(sql, deadline_);
}

absl::Status Transaction::CopyData(std::string_view data) {
  return connection_.PutCopyData(data, deadline_);
}

absl::Status Transaction::CopyOut(const std::string& sql,
                                  absl::FunctionRef<absl::Status(std::string_view)> each) {
  RETURN_IF_ERROR(Settle());
  return connection_.CopyOut(sql, deadline_, each);
}

absl::StatusOr<int64_t> Transaction::EndCopy() { return connection_.EndCopy(deadline_); }

absl::Status Transaction::Commit() {
  if (!begun_) return absl::OkStatus();
  // A DeferOne that fails must stop the commit, so such statements are checked before it.
  if (std::find(expect_one_.begin(), expect_one_.end(), true) != expect_one_.end()) {
    const absl::Status checked = FlushAndCheck().status();
    if (!checked.ok()) {
      Rollback();
      return checked;
    }
  }
  expect_one_.clear();
  connection_.Queue(kCommit, {});
  begin_sent_ = true;
  const absl::StatusOr<std::vector<Result>> results = connection_.Flush(deadline_);
  if (results.ok()) {
    // COMMIT of a failed transaction succeeds, as ROLLBACK: the body hid the failure.
    return results->back().command() == "COMMIT" ? absl::OkStatus()
                                                 : status::Internal("commit after a failure");
  }
  const absl::Status committed = results.status();
  if (connection_.broken()) return status::OutcomeUnknown();
  // A deferred statement failed: the server skipped COMMIT and the transaction is still open.
  Rollback();
  return committed;
}

void Transaction::Rollback() {
  if (!begun_ || connection_.broken()) return;
  expect_one_.clear();
  // What waits to be sent need not run; were it to fail, the server would skip the rollback.
  connection_.DropQueue();
  if (!begin_sent_) return;
  connection_.Queue(kRollback, {});
  // The rollback gets time of its own; a connection on which it fails is thrown away.
  const absl::Status rolled_back =
      connection_.Flush(clock::Clock::Real().Now() + absl::Seconds(2)).status();
  if (rolled_back.ok()) return;
  log::Warning("rollback failed", {});
  connection_.Discard();
}

}  // namespace edcert::pg
