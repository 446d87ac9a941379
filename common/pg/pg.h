// PostgreSQL: a pool of connections, statements and transactions. The only door to libpq.
//
// Nothing here throws. A failure of the server or the line is a status of the catalogue:
//   UNAVAILABLE       the server cannot be reached; nothing was done
//   OUTCOME_UNKNOWN   the line broke while COMMIT was under way
//   CONFLICT          serialization failure, deadlock or lock timeout (RunInTransaction retries)
//   DEADLINE_EXCEEDED the deadline passed; the statement was cancelled
//   ALREADY_EXISTS / IN_USE  unique or foreign key violation, with the constraint in the metadata
//   FIELD_INVALID     a text parameter holds a NUL, which PostgreSQL cannot store
//   INTERNAL          anything else; the log names the SQLSTATE and the statement, never the
//                     server's words, which can hold a value of the data
//
// A transaction costs few round trips: BEGIN travels with the first statement, deferred statements
// travel with the next one or with COMMIT (libpq's pipeline mode).
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/pg/statement.h"
#include "common/pg/value.h"

namespace edcert::pg {

// Where statements can be run: a Database (each by itself) or a Transaction.
class Querier {
 public:
  virtual ~Querier() = default;

  // Runs a named statement (prepared once per connection).
  template <typename... Args>
  absl::StatusOr<Result> Run(const Statement& statement, const Args&... args) {
    return Execute(statement, {Param(args)...});
  }
  // Runs a statement whose text is made at run time from identifiers of ours (dataset tables).
  template <typename... Args>
  absl::StatusOr<Result> RunText(const std::string& sql, const Args&... args) {
    return Execute(Statement{"", sql}, {Param(args)...});
  }

  virtual absl::StatusOr<Result> Execute(const Statement& statement,
                                         const std::vector<Param>& params) = 0;
};

// One connection. Belongs to one thread at a time; useless after broken().
class Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& conninfo);

  bool broken() const { return broken_; }
  // Whether nothing is queued, running or open: only then may another take it over.
  bool Idle() const;
  // Whether an idle connection still has its server: one system call, no round trip.
  bool Alive();

  // Queues a statement; it is sent by Flush.
  void Queue(const Statement& statement, std::vector<Param> params);
  // Sends what is queued and waits for all results, in order. The first failure is returned; then
  // the later statements did not run.
  absl::StatusOr<std::vector<Result>> Flush(absl::Time deadline);
  std::size_t queued() const { return queue_.size(); }
  // Forgets what is queued and was not sent.
  void DropQueue() { queue_.clear(); }
  // Makes the connection useless: its state is not known any more.
  void Discard() { broken_ = true; }

  // Sends what is queued, then the statement, and hands over its rows one by one in flat memory.
  absl::Status Stream(const Statement& statement, const std::vector<Param>& params,
                      absl::Time deadline, absl::FunctionRef<absl::Status(const Row&)> each);

  // COPY ... FROM STDIN: start, data, end. After a failure the transaction is aborted.
  absl::Status StartCopy(const std::string& sql, absl::Time deadline);
  absl::Status PutCopyData(std::string_view data, absl::Time deadline);
  absl::StatusOr<int64_t> EndCopy(absl::Time deadline);

  // COPY ... TO STDOUT: hands over its data piece by piece, in flat memory. When `each` fails the
  // rest is not read and the connection is useless.
  absl::Status CopyOut(const std::string& sql, absl::Time deadline,
                       absl::FunctionRef<absl::Status(std::string_view)> each);

  // Several statements without parameters, in one implicit transaction unless the text says
  // otherwise. For migrations and tests.
  absl::Status RunScript(const std::string& sql);

 private:
  struct Queued {
    Statement statement;
    std::string text;  // owns the SQL of statements without a name
    std::vector<Param> params;
  };
  explicit Connection(PGconn* conn) : conn_(conn, &PQfinish) {}
  absl::Status Send(const Queued& queued, std::vector<std::string_view>& preparing);
  absl::StatusOr<PGresult*> NextResult(absl::Time deadline);
  absl::Status SendCopy(const std::string& sql, ExecStatusType expected, absl::Time deadline);
  absl::Status WaitForServer(bool writing, absl::Time deadline);
  absl::Status SendAll(absl::Time deadline, std::vector<std::string_view>& preparing);
  absl::Status Broken(std::string_view what);
  absl::Status ErrorOf(const PGresult* result, std::string_view statement);

  std::unique_ptr<PGconn, decltype(&PQfinish)> conn_;
  std::unordered_set<std::string_view> prepared_;
  std::vector<Queued> queue_;
  bool broken_ = false;
};

// A bounded set of connections. Thread-safe.
class Pool {
 public:
  struct Options {
    std::string conninfo;
    int size = 16;
    absl::Duration max_wait = absl::Milliseconds(500);  // then OVERLOADED
  };
  explicit Pool(Options options);
  ~Pool();

  class Lease {
   public:
    Lease(Pool* pool, std::unique_ptr<Connection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = default;
    ~Lease();
    Connection* operator->() const { return connection_.get(); }
    Connection& operator*() const { return *connection_; }

   private:
    Pool* pool_;
    std::unique_ptr<Connection> connection_;
  };
  absl::StatusOr<Lease> Acquire(absl::Time deadline);

 private:
  void Release(std::unique_ptr<Connection> connection);

  const Options options_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
};

// One transaction, READ COMMITTED. Given to the body of RunInTransaction.
class Transaction final : public Querier {
 public:
  Transaction(Connection& connection, absl::Time deadline)
      : connection_(connection), deadline_(deadline) {}

  absl::StatusOr<Result> Execute(const Statement& statement,
                                 const std::vector<Param>& params) override;

  // Queues a statement whose result nobody needs; it travels with the next one or with COMMIT.
  template <typename... Args>
  void Defer(const Statement& statement, const Args&... args) {
    Enqueue(statement, {Param(args)...}, /*expect_one=*/false);
  }
  // The same, but the transaction fails with CONFLICT unless exactly one row is touched.
  template <typename... Args>
  void DeferOne(const Statement& statement, const Args&... args) {
    Enqueue(statement, {Param(args)...}, /*expect_one=*/true);
  }

  // Rows one by one, in flat memory.
  absl::Status Stream(const std::string& sql, const std::vector<Param>& params,
                      absl::FunctionRef<absl::Status(const Row&)> each);

  // `COPY <target> FROM STDIN ...`; feed with CopyData; EndCopy gives the number of rows.
  absl::Status StartCopy(const std::string& sql);
  absl::Status CopyData(std::string_view data);
  absl::StatusOr<int64_t> EndCopy();

  // `COPY <query> TO STDOUT ...`, piece by piece; see Connection::CopyOut.
  absl::Status CopyOut(const std::string& sql,
                       absl::FunctionRef<absl::Status(std::string_view)> each);

  absl::Time deadline() const { return deadline_; }

  absl::Status Commit();
  void Rollback();

 private:
  void Enqueue(const Statement& statement, std::vector<Param> params, bool expect_one);
  absl::StatusOr<std::vector<Result>> FlushAndCheck();
  // What waits is sent, and the transaction begun.
  absl::Status Settle();

  Connection& connection_;
  const absl::Time deadline_;
  bool begun_ = false;
  bool begin_sent_ = false;
  std::vector<bool> expect_one_;
};

// The database as one call sees it: the pool and the call's deadline. Cheap to copy.
class Database final : public Querier {
 public:
  Database(Pool& pool, absl::Time deadline) : pool_(&pool), deadline_(deadline) {}

  absl::StatusOr<Result> Execute(const Statement& statement,
                                 const std::vector<Param>& params) override;

  // Runs `body` in a transaction and commits when it returns OK. `body` may run several times
  // (CONFLICT is retried within the deadline), so it has no effect outside the transaction.
  absl::Status RunInTransaction(absl::FunctionRef<absl::Status(Transaction&)> body);

  absl::Time deadline() const { return deadline_; }
  Pool& pool() const { return *pool_; }

 private:
  Pool* pool_;
  absl::Time deadline_;
};

// The SQLSTATE of an error that came from the server; empty for any other status.
std::string SqlStateOf(const absl::Status& status);

}  // namespace edcert::pg
