#include "services/validation_report/background_keeper.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <utility>

#include "common/clock/clock.h"
#include "common/log/log.h"
#include "common/names/names.h"
#include "common/status/macros.h"
#include "services/validation_report/report_store.h"

namespace edcert::validation_report {
namespace {

constexpr absl::Duration kTimeout = absl::Minutes(1);
constexpr absl::Duration kLongestLook = absl::Seconds(10);
// Runs in one transaction.
constexpr int kAtOnce = 20;
// Rules that one change names, the first of the group's; of the others it tells how many there are.
constexpr std::size_t kNamedRules = 20;
constexpr char kActor[] = "services/validation_report";

// Runs that wait or are under way are one, whatever the versions: it reads those of its beginning.
std::string DedupeKeyOf(const BackgroundTarget& target) {
  return fmt::format("background\n{}\n{}\n{}", target.rule_group, target.organization,
                     CopyOf(target.kind));
}

absl::StatusOr<std::optional<jobs::NewJob>> AcceptRun(pg::Transaction& tx, const ids::IdSource& ids,
                                                      const BackgroundTarget& target,
                                                      absl::Duration delay) {
  const BackgroundStore store;
  ASSIGN_OR_RETURN(const BackgroundRun run, store.Get(tx, target));
  ASSIGN_OR_RETURN(
      const std::vector<ReportDataVersion> versions,
      ReportStore().ReadVersions(tx, CopyOf(target.kind), target.district_id(), run.datasets));
  if (run.counts.has_value() && !IsStale(*run.counts, run.version_in_use, versions)) {
    store.SetDue(tx, target, std::nullopt);
    return std::nullopt;
  }
  if (!run.compares_years) {
    ASSIGN_OR_RETURN(const std::optional<BackgroundCounts> counts,
                     store.FindEqualReport(tx, run, versions));
    if (counts.has_value()) {
      store.SetCounts(tx, target, *counts);
      store.SetDue(tx, target, std::nullopt);
      return std::nullopt;
    }
  }
  jobs::NewJob job{.id = ids.NewId(),
                   .organization = target.district,
                   .dedupe_key = DedupeKeyOf(target),
                   .priority = jobs::Priority::kBackground};
  for (const ReportDataVersion& version : versions) job.cost += version.rows;
  ASSIGN_OR_RETURN(const std::string accepted, jobs::Accept(tx, job));
  if (accepted != job.id) {
    // It may have read the records before they changed.
    store.SetDue(tx, target, delay);
    return std::nullopt;
  }
  store.SetAsked(tx, target, job.id);
  return job;
}

void AppendNewFatal(pg::Transaction& tx, const ids::IdSource& ids, const UntoldRun& run,
                    const std::vector<MoreFindings>& rules) {
  std::vector<std::string> named;
  for (const MoreFindings& rule : rules) {
    if (named.size() == kNamedRules) break;
    named.push_back(fmt::format("{}:{}:{}", rule.code, rule.more, rule.findings));
  }
  const std::size_t others = rules.size() - named.size();
  feed::Append(tx, ids.NewId(), kActor,
               {.subject = names::RuleGroupName::FromId(run.target.rule_group).ToString(),
                .type = "fatal_findings_appeared",
                .attributes = {{"organization", run.target.organization},
                               {"organization_display_name", run.display_name},
                               {"rules", fmt::format("{}", fmt::join(named, ","))},
                               {"more_rules", others == 0 ? "" : std::to_string(others)}}});
}

absl::Time DayBegan(absl::TimeZone zone) {
  return absl::FromCivil(absl::ToCivilDay(clock::Clock::Real().Now(), zone), zone);
}

}  // namespace

absl::Status ApplyDatasetChange(pg::Transaction& tx, const type::Change& change,
                                absl::Duration delay) {
  if (change.type() != "records_changed") return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto district,
                   names::OrganizationName::Parse(change.subject(), "subject"));
  ASSIGN_OR_RETURN(const auto dataset,
                   names::DatasetName::Parse(feed::Attribute(change, "dataset"), "dataset"));
  BackgroundStore().MarkChanged(tx, district.id(), feed::Attribute(change, "copy"), dataset.id(),
                                delay);
  return absl::OkStatus();
}

absl::StatusOr<DueRuns> AcceptDueRuns(pg::Database db, const ids::IdSource& ids,
                                      absl::Duration delay) {
  DueRuns due;
  RETURN_IF_ERROR(db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    due = {};
    ASSIGN_OR_RETURN(const std::vector<BackgroundTarget> targets,
                     BackgroundStore().TakeDue(tx, kAtOnce));
    due.taken = static_cast<int>(targets.size());
    for (const BackgroundTarget& target : targets) {
      ASSIGN_OR_RETURN(std::optional<jobs::NewJob> job, AcceptRun(tx, ids, target, delay));
      if (job.has_value()) due.accepted.push_back(*std::move(job));
    }
    return absl::OkStatus();
  }));
  return due;
}

absl::StatusOr<int> TellNewFatal(pg::Database db, const ids::IdSource& ids, absl::Time day_began) {
  const BackgroundStore store;
  int compared = 0;
  RETURN_IF_ERROR(db.RunInTransaction([&](pg::Transaction& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<UntoldRun> runs, store.TakeUntold(tx, day_began, kAtOnce));
    compared = static_cast<int>(runs.size());
    for (const UntoldRun& run : runs) {
      ASSIGN_OR_RETURN(const std::vector<MoreFindings> rules, store.ListMoreFatal(tx, run.target));
      if (!run.first && !rules.empty()) AppendNewFatal(tx, ids, run, rules);
      store.SetTold(tx, run.target);
    }
    return absl::OkStatus();
  }));
  return compared;
}

BackgroundKeeper::BackgroundKeeper(pg::Pool& pool, const ids::IdSource& ids, Options options)
    : pool_(pool), ids_(ids), options_(std::move(options)) {
  if (options_.delay <= absl::ZeroDuration()) return;
  consumer_ = std::make_unique<feed::Consumer>(
      pool_, feed::Consumer::Options{
                 .feed = "dataset",
                 .fetch = options_.fetch,
                 .prepare = nullptr,
                 .apply = [delay = options_.delay](
                              pg::Transaction& tx, const type::Change& change,
                              void* /*prepared*/) { return ApplyDatasetChange(tx, change, delay); },
                 .committed = nullptr});
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

BackgroundKeeper::~BackgroundKeeper() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void BackgroundKeeper::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const absl::StatusOr<DueRuns> due =
        AcceptDueRuns({pool_, clock::Clock::Real().Now() + kTimeout}, ids_, options_.delay);
    if (!due.ok()) {
      log::Warning("background runs not accepted",
                   {{"error", std::string(due.status().message())}});
    } else {
      for (const jobs::NewJob& job : due->accepted) options_.accepted(job);
      if (due->taken == kAtOnce) continue;
    }
    const absl::StatusOr<int> compared =
        TellNewFatal({pool_, clock::Clock::Real().Now() + kTimeout}, ids_, DayBegan(options_.zone));
    if (!compared.ok()) {
      log::Warning("new FATAL findings not told",
                   {{"error", std::string(compared.status().message())}});
    } else if (*compared == kAtOnce) {
      continue;
    }
    const absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), std::min(options_.delay, kLongestLook));
  }
}

}  // namespace edcert::validation_report
