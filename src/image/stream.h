// Bytes that are read once, from front to back: files, memory, pipes, and what gzip, zstd and xz unpack to.
//
// Input:  untrusted. A compressed stream is unpacked as it is read, so a bomb costs what the reader takes of it;
//         whoever reads sets the limit.
// Bounds: constant memory; windows of at most 128 MiB (zstd) and 64 MiB (xz), the largest that usual settings make.
// Spec:   RFC 1952, RFC 8878, the .xz file format.
// Errors: kMalformed image.stream.corrupt, image.stream.truncated; kUnavailable image.file.read
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "image/file.h"

namespace gateway::image {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills some of `out` (which is not empty); 0 only at the end.
  virtual Result<std::size_t> read(std::span<std::uint8_t> out) = 0;
};

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(ByteView bytes) : rest_(bytes) {}
  Result<std::size_t> read(std::span<std::uint8_t> out) override;
  ByteView rest() const { return rest_; }

 private:
  ByteView rest_;
};

// Reads a descriptor until its end; does not own it.
class DescriptorSource final : public ByteSource {
 public:
  explicit DescriptorSource(int descriptor) : descriptor_(descriptor) {}
  Result<std::size_t> read(std::span<std::uint8_t> out) override;

 private:
  int descriptor_;
};

enum class Compression : std::uint8_t { kNone, kGzip, kZstd, kXz };
Compression recognise_compression(ByteView start);  // by magic, from at least 6 bytes

// Unpacks one compressed member that begins at the start of `bytes` (which must outlive the source). After the end,
// consumed() says where the member ended. kNone passes everything through.
class MemberSource : public ByteSource {
 public:
  virtual std::size_t consumed() const = 0;
};
Result<std::unique_ptr<MemberSource>> open_member(ByteView bytes, Compression compression);

// A reader's own buffer around a source: exact reads, skipping, one byte of look-ahead.
class BufferedSource {
 public:
  explicit BufferedSource(ByteSource& source);
  // At least one byte unless the source has ended.
  Result<ByteView> peek();
  void consume(std::size_t count);
  // Fills `out` whole, or fails with the id given.
  Status read_exactly(std::span<std::uint8_t> out, ErrorId truncated);
  Status skip(std::uint64_t count, ErrorId truncated);
  std::uint64_t offset() const { return offset_; }

 private:
  ByteSource& source_;
  Bytes buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t offset_ = 0;
};

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status write(ByteView bytes) = 0;
};

// zstd at a pinned level on one thread: with the same library the same bytes, everywhere. The content size is not in
// the frame (it is not known in advance); the checksum is.
class ZstdSink final : public ByteSink {
 public:
  static Result<ZstdSink> create(ByteSink& to, int level);
  ZstdSink(ZstdSink&&) noexcept;
  ZstdSink& operator=(ZstdSink&&) = delete;
  ~ZstdSink() override;
  Status write(ByteView bytes) override;
  Status finish();
  static std::string version();  // "1.5.4"

 private:
  struct State;
  explicit ZstdSink(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace gateway::image
