// Small files of the host's state: written whole or not at all, read within a limit; and a lock that lives as long as
// its holder.
//
// Errors: kInternal host.file.write; kNotFound host.file.missing; kLimitExceeded host.file.size;
//         kUnavailable host.file.read, host.file.locked
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "net/descriptor.h"

namespace gateway::host {

// Whether a file must survive a power cut. What is written again at each start need not.
enum class Durable : bool { kNo, kYes };
// Beside the target, then renamed over it.
Status write_file(const std::string& path, ByteView content, mode_t mode, Durable durable = Durable::kYes);
enum class WrittenBy : std::uint8_t { kAnyone, kThisUser };
Result<Bytes> read_file(const std::string& path, std::size_t limit, WrittenBy writer = WrittenBy::kAnyone);
Status make_folder(const std::string& path, mode_t mode);  // and its parents (0755); an existing one gets the mode
void remove_tree(const std::string& path);                 // whatever its modes; follows no link; best effort

// An exclusive flock; kUnavailable host.file.locked when somebody else holds it.
Result<net::Descriptor> lock_file(const std::string& path);
bool is_locked(const std::string& path);  // false also when there is no such file

}  // namespace gateway::host
