// Which organisations a caller sees.
#pragma once

#include <string>
#include <vector>

namespace edcert::event_registry {

// Everything, or some organisations and all schools of some districts. Empty sees nothing.
struct Scope {
  bool everything = false;
  std::vector<std::string> organizations;  // ids
  std::vector<std::string> districts;      // ids whose schools are seen too

  static Scope Everything() { return {.everything = true, .organizations = {}, .districts = {}}; }
};

}  // namespace edcert::event_registry
