// Files of the builder: whole files read within a limit, big ones mapped, new ones made beside their target and
// renamed when complete, so that nothing half-made is ever seen under the final name.
//
// Errors: kNotFound image.file.missing; kInvalidArgument image.file.kind; kLimitExceeded image.file.size;
//         kUnavailable image.file.read, image.file.write
#pragma once

#include <cstdio>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace gateway::image {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// A regular file, mapped read-only; address space is used, not memory. A file that somebody truncates while it is
// mapped stops the process (SIGBUS): the owner of the file can only harm themselves.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  static Result<MappedFile> map(int descriptor, std::uint64_t size, const std::string& name);
  MappedFile(MappedFile&& other) noexcept : view_(std::exchange(other.view_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  ByteView view() const { return view_; }
  // Lets go of the memory behind a part that was read; reading it again brings it back. Keeps the process small while
  // it goes through files of many GiB.
  void release(ByteView part) const;

 private:
  explicit MappedFile(ByteView view) : view_(view) {}
  ByteView view_;
};

// A new file beside `target`. commit() syncs it and renames it over the target; without it the file vanishes.
class NewFile {
 public:
  static Result<NewFile> create(const std::string& target, unsigned mode = 0644);
  NewFile(NewFile&& other) noexcept = default;
  NewFile& operator=(NewFile&& other) noexcept = delete;
  ~NewFile();
  Status write(ByteView bytes);
  Status write_at(std::uint64_t offset, ByteView bytes);
  Status commit();
  int descriptor() const { return descriptor_.get(); }

 private:
  NewFile(Descriptor descriptor, std::string path, std::string target)
      : descriptor_(std::move(descriptor)), path_(std::move(path)), target_(std::move(target)) {}
  Descriptor descriptor_;
  std::string path_;  // empty once committed or moved from
  std::string target_;
};

// A file without a name, for what is assembled before it is written: grows at its end, is read back at any offset.
class SpoolFile {
 public:
  static Result<SpoolFile> create(const std::string& folder);
  Status append(ByteView bytes);
  Status read(std::uint64_t offset, std::span<std::uint8_t> out) const;
  Result<MappedFile> map() const;  // what is in it now
  std::uint64_t size() const { return size_; }

 private:
  explicit SpoolFile(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
};

Result<std::string> read_text_file(const std::string& path, std::size_t limit);
Status write_text_file(const std::string& path, std::string_view text);  // through NewFile
Status write_fully(int descriptor, ByteView bytes);
// Creates a folder and its parents.
Status make_folders(const std::string& path);
// For messages: "PATH: reason", from errno.
std::string system_reason(const std::string& what, int error_number);

}  // namespace gateway::image
