#include "table.h"

#include <gtest/gtest.h>

#include <vector>

#include "harness/temp_folder.h"

namespace gateway::hostile_suite {
namespace {

std::vector<std::string>& rows() {
  static std::vector<std::string> all;
  return all;
}

}  // namespace

void attack(const std::string& what, const std::string& refused_by) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  rows().push_back("| " + what + " | `" + test->test_suite_name() + "." + test->name() + "` | " + refused_by + " |");
}

std::string table_text() {
  std::string out = "| attack | test | refused by |\n|---|---|---|\n";
  for (const std::string& row : rows()) out += row + "\n";
  return out;
}

bool table_is_in(const std::string& document_path) {
  const std::string document = harness::read_text(document_path);
  bool all = true;
  for (const std::string& row : rows()) {
    if (document.find(row + "\n") != std::string::npos) continue;
    std::fprintf(stderr, "hostile_host: %s lacks the row\n  %s\n", document_path.c_str(), row.c_str());
    all = false;
  }
  return all;
}

}  // namespace gateway::hostile_suite
