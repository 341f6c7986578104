// The table of attacks: what was tried, by which test, and what refused it.
#pragma once

#include <string>

namespace gateway::hostile_suite {

// Notes a row for the running test.
void attack(const std::string& what, const std::string& refused_by);

// Prints the table to standard error, and says whether each of its rows is in the document. The prefix of every test's
// name says where it stands.
std::string table_text();
bool table_is_in(const std::string& document_path);

}  // namespace gateway::hostile_suite
