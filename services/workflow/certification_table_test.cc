#include "services/workflow/certification_table.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/status/error.h"
#include "services/workflow/certification_page.h"
#include "services/workflow/golden.h"

namespace edcert::workflow {
namespace {

constexpr std::array kAllStates = {
    State::kNone,     State::kInProgress,      State::kSent,
    State::kApproved, State::kRecertRequested, State::kRecertInProgress,
    State::kExempt,   State::kWithdrawn,
};

// Facts with which everything is allowed: the actor has every role.
Facts Good() {
  Facts facts;
  facts.certification = "certifications/c";
  facts.system = facts.certifier = facts.approver = facts.event_manager = true;
  facts.has_request = facts.own_request = true;
  facts.signatures = 1;
  facts.all_signed = true;
  return facts;
}

// One thing that can be wrong, by name, in the order in which signing asks.
struct Fault {
  std::string name;
  std::function<void(Facts&)> apply;
};

const std::vector<Fault>& Faults() {
  static const std::vector<Fault> faults = {
      {"event not started", [](Facts& f) { f.event_started = false; }},
      {"event closed", [](Facts& f) { f.event_closed = true; }},
      {"signing not open", [](Facts& f) { f.signing = Window::kBefore; }},
      {"signing ended", [](Facts& f) { f.signing = Window::kEnded; }},
      {"signed already", [](Facts& f) { f.signed_already = true; }},
      {"step 1 not started", [](Facts& f) { f.steps[0].state = StepState::kNotStarted; }},
      {"step 2 stale", [](Facts& f) { f.steps[1].state = StepState::kStale; }},
      {"step 2 not viewed", [](Facts& f) { f.steps[1].state = StepState::kReadyToView; }},
      {"step 3 fatal", [](Facts& f) { f.steps[2].state = StepState::kFatalFound; }},
      {"other snapshot", [](Facts& f) { f.snapshot_matches = false; }},
      {"snapshot not sealed", [](Facts& f) { f.snapshot_sealed = false; }},
      {"special warning not explained", [](Facts& f) { f.unexplained_rules = {"rules/r"}; }},
      {"warnings not acknowledged", [](Facts& f) { f.warnings = true; }},
      {"dependency not certified", [](Facts& f) { f.uncertified_dependency = "events/e"; }},
      {"snapshot empty", [](Facts& f) { f.snapshot_empty = true; }},
      {"attestation outdated", [](Facts& f) { f.attestation_current = false; }},
      {"not all signed", [](Facts& f) { f.all_signed = false; }},
      {"nobody signed", [](Facts& f) { f.signatures = 0; }},
      {"certification not opened", [](Facts& f) { f.certifying_opened = false; }},
      {"snapshot has fatals", [](Facts& f) { f.snapshot_clear = false; }},
      {"no reason", [](Facts& f) { f.reason_given = false; }},
      {"not the system", [](Facts& f) { f.system = false; }},
      {"not a certifier", [](Facts& f) { f.certifier = false; }},
      {"not the requester", [](Facts& f) { f.own_request = false; }},
      {"not an approver", [](Facts& f) { f.approver = false; }},
      {"belongs here", [](Facts& f) { f.belongs_here = true; }},
      {"own signature", [](Facts& f) { f.own_signature = true; }},
      {"not an event manager", [](Facts& f) { f.event_manager = false; }},
  };
  return faults;
}

// What tells the rows of one (state, action) apart.
struct Case {
  std::string name;
  int others_outstanding;
  State came_from;
};
const Case kCases[] = {
    {"others outstanding, came from SENT", 1, State::kSent},
    {"others outstanding, came from APPROVED", 1, State::kApproved},
    {"last outstanding, came from SENT", 0, State::kSent},
    {"last outstanding, came from APPROVED", 0, State::kApproved},
};

std::string Outcome(State state, Action action, const Facts& facts) {
  const absl::StatusOr<Decision> decision = Decide(state, action, facts);
  if (!decision.ok()) {
    const std::string allowed = status::MetadataOf(decision.status(), "allowed");
    return status::ReasonOf(decision.status()) + (allowed.empty() ? "" : " (" + allowed + ")");
  }
  return std::string(NameOf(decision->to)) + ": " + std::string(NameOf(decision->effect));
}

// Every state x action x case x single fault. Lines that do not depend on the fault, or on the
// case, are written once.
std::string AllOutcomes() {
  std::string text;
  for (const State state : kAllStates) {
    for (const Action action : kActions) {
      std::map<std::string, std::vector<std::string>> by_outcome;  // fault -> outcomes of cases
      std::vector<std::string> order;
      const auto add = [&](const std::string& fault, const std::function<void(Facts&)>& apply) {
        order.push_back(fault);
        for (const Case& c : kCases) {
          Facts facts = Good();
          facts.others_outstanding = c.others_outstanding;
          facts.came_from = c.came_from;
          if (apply) apply(facts);
          by_outcome[fault].push_back(Outcome(state, action, facts));
        }
      };
      add("nothing wrong", {});
      for (const Fault& fault : Faults()) add(fault.name, fault.apply);
      const std::vector<std::string>& good = by_outcome["nothing wrong"];
      for (const std::string& fault : order) {
        const std::vector<std::string>& outcomes = by_outcome[fault];
        if (fault != "nothing wrong" && outcomes == good) continue;
        const bool same = std::set(outcomes.begin(), outcomes.end()).size() == 1;
        for (std::size_t i = 0; i < (same ? 1 : outcomes.size()); ++i) {
          text += std::string(NameOf(state)) + " " + std::string(NameOf(action)) + " | " + fault +
                  " | " + (same ? "any case" : kCases[i].name) + " | " + outcomes[i] + "\n";
        }
      }
    }
  }
  return text;
}

TEST(CertificationTableTest, EveryOutcomeIsTheReviewedOne) {
  ExpectGolden("services/workflow/testdata/decisions.golden", AllOutcomes());
}

TEST(CertificationTableTest, ThePageIsThePrintedTable) {
  ExpectGolden("docs/state_machine.md", PrintStateMachine("markdown"));
}

TEST(CertificationTableTest, PrintsEveryFormat) {
  EXPECT_NE(PrintStateMachine("mermaid").find("[*] --> IN_PROGRESS: OPEN"), std::string::npos);
  EXPECT_NE(PrintStateMachine("dot").find("digraph"), std::string::npos);
  EXPECT_EQ(PrintStateMachine("png"), "");
}

// For all facts together, rows of one (state, action) exclude each other.
TEST(CertificationTableTest, AtMostOneRowApplies) {
  for (const State state : kAllStates) {
    for (const Action action : kActions) {
      for (const Case& c : kCases) {
        Facts facts = Good();
        facts.others_outstanding = c.others_outstanding;
        facts.came_from = c.came_from;
        const absl::StatusOr<Decision> decision = Decide(state, action, facts);
        std::set<State> targets;
        for (const Transition& row : kTransitions) {
          if (row.from == state && row.action == action) targets.insert(row.to);
        }
        EXPECT_EQ(decision.ok(), !targets.empty()) << NameOf(state) << " " << NameOf(action);
        if (decision.ok()) {
          EXPECT_TRUE(targets.contains(decision->to));
        }
      }
    }
  }
}

// With any set of faults, the refusal of a signature is that of the first one in this order.
TEST(CertificationTableTest, SubmitRefusesInOneOrder) {
  const std::vector<std::pair<int, std::string>> order = {
      {0, "WINDOW_NOT_OPEN"},
      {1, "WINDOW_CLOSED"},
      {3, "WINDOW_CLOSED"},
      {4, "ALREADY_SIGNED"},
      {5, "STEP_NOT_COMPLETED"},
      {7, "REPORT_NOT_VIEWED"},
      {8, "FATAL_FINDINGS_OPEN"},
      {9, "SNAPSHOT_MISMATCH"},
      {10, "SNAPSHOT_NOT_SEALED"},
      {11, "EXPLANATION_MISSING"},
      {12, "WARNINGS_NOT_ACKNOWLEDGED"},
      {13, "DEPENDENCY_NOT_CERTIFIED"},
      {14, "SNAPSHOT_EMPTY"},
      {15, "ATTESTATION_OUTDATED"},
  };
  for (std::size_t set = 0; set < (1U << order.size()); ++set) {
    Facts facts = Good();
    std::string expected;
    for (std::size_t i = 0; i < order.size(); ++i) {
      if ((set >> i & 1U) == 0) continue;
      Faults()[static_cast<std::size_t>(order[i].first)].apply(facts);
      if (expected.empty()) expected = order[i].second;
    }
    for (const State state : {State::kInProgress, State::kRecertInProgress}) {
      const absl::StatusOr<Decision> decision = Decide(state, Action::kSubmit, facts);
      ASSERT_EQ(status::ReasonOf(decision.status()), expected) << set;
      if (expected.empty()) {
        EXPECT_EQ(decision->to, State::kSent);
      }
    }
  }
}

TEST(CertificationTableTest, PermissionComesBeforeTheState) {
  for (const State state : kAllStates) {
    for (const Action action : kActions) {
      EXPECT_EQ(Outcome(state, action, Facts{.has_request = true}), "NOT_PERMITTED");
    }
  }
}

TEST(CertificationTableTest, ZeroAttestationLetsAnEmptySnapshotPass) {
  Facts facts = Good();
  facts.snapshot_empty = true;
  facts.zero_attested = true;
  EXPECT_TRUE(Decide(State::kInProgress, Action::kSubmit, facts).ok());
}

TEST(CertificationTableTest, AReviewerPreparesWhereACertifierSigns) {
  for (const State state : kAllStates) {
    const bool open = state == State::kInProgress || state == State::kRecertInProgress;
    for (const WizardCall call : {WizardCall::kStart, WizardCall::kGenerateReport,
                                  WizardCall::kTakeSnapshot, WizardCall::kRetakeSnapshot}) {
      EXPECT_EQ(CheckCall(call, state, "certifications/c").ok(), open);
    }
  }
}

TEST(CertificationTableTest, LabelsAreThoseOfTheUsers) {
  EXPECT_EQ(LabelOf(State::kInProgress, Side::kLocal, false), "In Progress");
  EXPECT_EQ(LabelOf(State::kSent, Side::kLocal, false), "Certification Sent to State");
  EXPECT_EQ(LabelOf(State::kSent, Side::kState, false), "Certified");
  EXPECT_EQ(LabelOf(State::kApproved, Side::kLocal, false), "Certification Approved by State");
  EXPECT_EQ(LabelOf(State::kApproved, Side::kState, true),
            "Approved by State without Certification");
  EXPECT_EQ(LabelOf(State::kRecertRequested, Side::kLocal, false), "Recertification Request Sent");
  EXPECT_EQ(LabelOf(State::kRecertInProgress, Side::kLocal, false), "Recertification In Progress");
}

TEST(CertificationTableTest, NamesCanBeReadBack) {
  for (const State state : kAllStates) EXPECT_EQ(ParseState(NameOf(state)), state);
  for (const Action action : kActions) EXPECT_EQ(ParseAction(NameOf(action)), action);
  EXPECT_EQ(ParseState("LOST"), std::nullopt);
  EXPECT_EQ(ParseAction("LOSE"), std::nullopt);
}

}  // namespace
}  // namespace edcert::workflow
