#include "services/snapshot/lifecycle.h"

namespace edcert::snapshot {
namespace {

bool Holds(Guard guard, bool newest) {
  switch (guard) {
    case Guard::kAlways:
      return true;
    case Guard::kNewest:
      return newest;
    case Guard::kNotNewest:
      return !newest;
  }
  return false;
}

}  // namespace

std::string_view ToString(Action action) {
  switch (action) {
    case Action::kSeal:
      return "seal";
    case Action::kFail:
      return "fail";
    case Action::kSupersede:
      return "supersede";
  }
  return "";
}

std::string_view ToString(Guard guard) {
  switch (guard) {
    case Guard::kAlways:
      return "always";
    case Guard::kNewest:
      return "it is the newest";
    case Guard::kNotNewest:
      return "a newer one was taken";
  }
  return "";
}

State After(State from, Action action, bool newest) {
  const Step* step = fsm::FindRow(kLifecycle, from, action,
                                  [newest](const Step& row) { return Holds(row.guard, newest); });
  return step == nullptr ? from : step->to;
}

}  // namespace edcert::snapshot
