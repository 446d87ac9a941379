// For tests: the texts of testdata/hostile/, by what they attack.
//
// A file is paragraphs. The first says what the texts attack; each other is a line `mode position:
// what`, as the guard refuses it, and the text. In a text ⟨1B⟩ is a byte and ⟨*40:x⟩ is x 40 times.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "common/status/macros.h"

namespace edcert::validation_report {

struct HostileText {
  std::string mode;      // expression, aggregate or query
  std::string position;  // 0 when no place can be named
  std::string what;
  std::string written;  // with the marks

  // As an author would send it.
  std::string text() const {
    static constexpr std::string_view kOpen = "⟨";
    static constexpr std::string_view kClose = "⟩";
    std::string out;
    std::string_view rest = written;
    for (std::size_t open = rest.find(kOpen); open != std::string_view::npos;
         open = rest.find(kOpen)) {
      out += rest.substr(0, open);
      rest.remove_prefix(open + kOpen.size());
      const std::size_t close = rest.find(kClose);
      CHECK(close != std::string_view::npos);
      const std::string mark(rest.substr(0, close));
      rest.remove_prefix(close + kClose.size());
      if (mark.starts_with('*')) {
        const std::size_t colon = mark.find(':');
        for (int i = std::stoi(mark.substr(1)); i > 0; --i) out += mark.substr(colon + 1);
      } else {
        out += static_cast<char>(std::stoi(mark, nullptr, 16));
      }
    }
    return out.append(rest);
  }
};

struct HostileGroup {
  std::string about;
  std::vector<HostileText> texts;
};

inline constexpr std::string_view kHostileFolder = "services/validation_report/testdata/hostile";

// By the names of the files, without their ends. Tests run in the root of the source tree.
inline std::map<std::string, HostileGroup> ReadHostileTexts() {
  std::map<std::string, HostileGroup> groups;
  for (const auto& entry : std::filesystem::directory_iterator(kHostileFolder)) {
    HostileGroup& group = groups[entry.path().stem()];
    std::ifstream file(entry.path(), std::ios::binary);
    CHECK(std::getline(file, group.about).good());
    std::string line;
    while (std::getline(file, line)) {
      CHECK(line.empty());
      HostileText hostile;
      CHECK(std::getline(file, line).good());
      std::istringstream head(line);
      head >> hostile.mode >> hostile.position;
      hostile.position.pop_back();
      std::getline(head >> std::ws, hostile.what);
      std::getline(file, hostile.written);
      group.texts.push_back(std::move(hostile));
    }
  }
  CHECK(!groups.empty());
  return groups;
}

inline void WriteHostileTexts(const std::string& name, const HostileGroup& group) {
  std::ofstream file(std::string(kHostileFolder) + "/" + name + ".txt", std::ios::binary);
  file << group.about << "\n";
  for (const HostileText& each : group.texts) {
    file << "\n"
         << each.mode << " " << each.position << ": " << each.what << "\n"
         << each.written << "\n";
  }
}

}  // namespace edcert::validation_report
