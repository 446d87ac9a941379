#include "services/validation_report/sql_cage.h"

#include "common/clock/clock.h"
#include "common/log/log.h"
#include "common/status/errors.h"
#include "common/status/macros.h"
#include "services/validation_report/sql/cage.sql.h"

namespace edcert::validation_report {

absl::StatusOr<std::vector<std::string>> FindOpenDoors(pg::Querier& db, const std::string& role) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kFindOpenDoors, role));
  std::vector<std::string> doors;
  for (const pg::Row row : rows) doors.push_back(row.Text("door"));
  return doors;
}

absl::StatusOr<bool> SeesAllDistricts(pg::Querier& db, const std::string& role) {
  ASSIGN_OR_RETURN(const pg::Result rows, db.Run(sql::kSeesAllDistricts, role));
  return rows[0].Bool("sees");
}

absl::Status CheckCage(const std::string& rules_conninfo) {
  pg::Pool pool({.conninfo = rules_conninfo, .size = 1});
  pg::Database db(pool, clock::Clock::Real().Now() + absl::Seconds(10));
  const absl::StatusOr<pg::Result> me = db.Run(sql::kWhoAmI);
  if (me.status().code() == absl::StatusCode::kUnavailable) return absl::OkStatus();
  RETURN_IF_ERROR(me.status());
  const std::string role = (*me)[0].Text("role");
  ASSIGN_OR_RETURN(const std::vector<std::string> doors, FindOpenDoors(db, role));
  ASSIGN_OR_RETURN(const bool sees_all, SeesAllDistricts(db, role));
  if (sees_all) {
    log::Warning("the role of rules still sees every district",
                 {{"once no earlier version runs", "run deploy/postgres/rule_exec.sql"}});
  }
  for (const std::string& door : doors) {
    log::Error("the role of rules is not shut in", {{"door", door}});
  }
  return doors.empty() ? absl::OkStatus()
                       : status::Internal("the role of rules: run deploy/postgres/rule_exec.sql");
}

}  // namespace edcert::validation_report
