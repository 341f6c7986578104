#include "image/stream.h"

#include <lzma.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gateway::image {
namespace {

constexpr std::size_t kBuffer = 256UZ * 1024;
constexpr int kMaxWindowLog = 27;  // zstd: 128 MiB, what `zstd` itself unpacks without being asked
constexpr std::uint64_t kXzMemory = 128UZ * 1024 * 1024;  // xz -9 needs 65 MiB

std::unexpected<Error> corrupt(std::string_view format) {
  return fail(ErrorCode::kMalformed, "image.stream.corrupt", "the " + std::string(format) + " data is damaged",
              "fetch or build the file again");
}
std::unexpected<Error> truncated(std::string_view format) {
  return fail(ErrorCode::kMalformed, "image.stream.truncated", "the " + std::string(format) + " data ends too early",
              "fetch or build the file again");
}

class PlainMember final : public MemberSource {
 public:
  explicit PlainMember(ByteView bytes) : size_(bytes.size()), source_(bytes) {}
  Result<std::size_t> read(std::span<std::uint8_t> out) override { return source_.read(out); }
  std::size_t consumed() const override { return size_ - source_.rest().size(); }

 private:
  std::size_t size_;
  MemorySource source_;
};

// zlib counts in 32 bits: feeds at most this much at a time.
constexpr std::size_t kZlibStep = 1UZ << 30U;

class GzipMember final : public MemberSource {
 public:
  explicit GzipMember(ByteView bytes) : bytes_(bytes) {
    constexpr int kGzipOnly = 16;
    ready_ = ::inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK;
  }
  GzipMember(const GzipMember&) = delete;
  GzipMember& operator=(const GzipMember&) = delete;
  ~GzipMember() override { ::inflateEnd(&stream_); }
  bool ready() const { return ready_; }

  Result<std::size_t> read(std::span<std::uint8_t> out) override {
    if (ended_) return 0UZ;
    stream_.next_out = out.data();
    const std::size_t room = std::min(out.size(), kZlibStep);
    stream_.avail_out = static_cast<uInt>(room);
    while (stream_.avail_out == room) {
      const std::size_t step = std::min(bytes_.size() - at_, kZlibStep);
      stream_.next_in = const_cast<Bytef*>(bytes_.data() + at_);
      stream_.avail_in = static_cast<uInt>(step);
      const int code = ::inflate(&stream_, Z_NO_FLUSH);
      at_ += step - stream_.avail_in;
      if (code == Z_STREAM_END) {
        ended_ = true;
        break;
      }
      if (code == Z_BUF_ERROR || (code == Z_OK && at_ == bytes_.size() && stream_.avail_out == room)) {
        return truncated("gzip");
      }
      if (code != Z_OK) return corrupt("gzip");
    }
    return room - stream_.avail_out;
  }
  std::size_t consumed() const override { return at_; }

 private:
  ByteView bytes_;
  z_stream stream_{};
  std::size_t at_ = 0;
  bool ready_ = false;
  bool ended_ = false;
};

class ZstdMember final : public MemberSource {
 public:
  explicit ZstdMember(ByteView bytes) : bytes_(bytes), stream_(::ZSTD_createDStream()) {
    if (stream_ != nullptr) ::ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kMaxWindowLog);
  }
  ZstdMember(const ZstdMember&) = delete;
  ZstdMember& operator=(const ZstdMember&) = delete;
  ~ZstdMember() override { ::ZSTD_freeDStream(stream_); }
  bool ready() const { return stream_ != nullptr; }

  Result<std::size_t> read(std::span<std::uint8_t> out) override {
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (to.pos == 0 && !ended_) {
      ZSTD_inBuffer from{bytes_.data(), bytes_.size(), at_};
      const std::size_t before = at_;
      const std::size_t code = ::ZSTD_decompressStream(stream_, &to, &from);
      at_ = from.pos;
      if (::ZSTD_isError(code) != 0) return corrupt("zstd");
      if (code == 0) ended_ = true;  // the frame is complete and flushed
      if (!ended_ && to.pos == 0 && at_ == before && at_ == bytes_.size()) return truncated("zstd");
    }
    return to.pos;
  }
  std::size_t consumed() const override { return at_; }

 private:
  ByteView bytes_;
  ZSTD_DStream* stream_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

class XzMember final : public MemberSource {
 public:
  explicit XzMember(ByteView bytes) : bytes_(bytes) {
    ready_ = ::lzma_stream_decoder(&stream_, kXzMemory, 0) == LZMA_OK;
  }
  XzMember(const XzMember&) = delete;
  XzMember& operator=(const XzMember&) = delete;
  ~XzMember() override { ::lzma_end(&stream_); }
  bool ready() const { return ready_; }

  Result<std::size_t> read(std::span<std::uint8_t> out) override {
    if (ended_) return 0UZ;
    stream_.next_out = out.data();
    stream_.avail_out = out.size();
    while (stream_.avail_out == out.size() && !ended_) {
      stream_.next_in = bytes_.data() + at_;
      stream_.avail_in = bytes_.size() - at_;
      const lzma_ret code = ::lzma_code(&stream_, LZMA_RUN);
      at_ = bytes_.size() - stream_.avail_in;
      if (code == LZMA_STREAM_END) {
        ended_ = true;
      } else if (code == LZMA_BUF_ERROR) {
        return truncated("xz");
      } else if (code != LZMA_OK) {
        return corrupt("xz");
      }
    }
    return out.size() - stream_.avail_out;
  }
  std::size_t consumed() const override { return at_; }

 private:
  ByteView bytes_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  std::size_t at_ = 0;
  bool ready_ = false;
  bool ended_ = false;
};

template <class Member>
Result<std::unique_ptr<MemberSource>> made(std::unique_ptr<Member> member) {
  if (!member->ready()) return fail(ErrorCode::kInternal, "image.stream.start", "no memory for a decompressor");
  return std::unique_ptr<MemberSource>(std::move(member));
}

bool begins_with(ByteView bytes, std::initializer_list<std::uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

}  // namespace

Result<std::size_t> MemorySource::read(std::span<std::uint8_t> out) {
  const std::size_t count = std::min(out.size(), rest_.size());
  std::copy_n(rest_.begin(), count, out.begin());
  rest_ = rest_.subspan(count);
  return count;
}

Result<std::size_t> DescriptorSource::read(std::span<std::uint8_t> out) {
  while (true) {
    const ssize_t got = ::read(descriptor_, out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) {
      return fail(ErrorCode::kUnavailable, "image.file.read", system_reason("reading a stream", errno));
    }
  }
}

Compression recognise_compression(ByteView start) {
  if (begins_with(start, {0x1f, 0x8b})) return Compression::kGzip;
  if (begins_with(start, {0x28, 0xb5, 0x2f, 0xfd})) return Compression::kZstd;
  if (begins_with(start, {0xfd, '7', 'z', 'X', 'Z', 0x00})) return Compression::kXz;
  return Compression::kNone;
}

Result<std::unique_ptr<MemberSource>> open_member(ByteView bytes, Compression compression) {
  switch (compression) {
    case Compression::kGzip: return made(std::make_unique<GzipMember>(bytes));
    case Compression::kZstd: return made(std::make_unique<ZstdMember>(bytes));
    case Compression::kXz: return made(std::make_unique<XzMember>(bytes));
    case Compression::kNone: break;
  }
  return std::make_unique<PlainMember>(bytes);
}

BufferedSource::BufferedSource(ByteSource& source) : source_(source), buffer_(kBuffer) {}

Result<ByteView> BufferedSource::peek() {
  if (begin_ == end_) {
    GATEWAY_ASSIGN(end_, source_.read(buffer_));
    begin_ = 0;
  }
  return ByteView(buffer_).subspan(begin_, end_ - begin_);
}

void BufferedSource::consume(std::size_t count) {
  begin_ += count;
  offset_ += count;
}

Status BufferedSource::read_exactly(std::span<std::uint8_t> out, ErrorId truncated_id) {
  while (!out.empty()) {
    GATEWAY_ASSIGN(const ByteView have, peek());
    if (have.empty()) return fail(ErrorCode::kMalformed, truncated_id, "the archive ends too early");
    const std::size_t count = std::min(have.size(), out.size());
    std::copy_n(have.begin(), count, out.begin());
    consume(count);
    out = out.subspan(count);
  }
  return {};
}

Status BufferedSource::skip(std::uint64_t count, ErrorId truncated_id) {
  while (count > 0) {
    GATEWAY_ASSIGN(const ByteView have, peek());
    if (have.empty()) return fail(ErrorCode::kMalformed, truncated_id, "the archive ends too early");
    const std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(have.size(), count));
    consume(step);
    count -= step;
  }
  return {};
}

struct ZstdSink::State {
  ByteSink& to;
  ZSTD_CCtx* context;
  Bytes buffer;
  State(ByteSink& sink, ZSTD_CCtx* created) : to(sink), context(created), buffer(::ZSTD_CStreamOutSize()) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { ::ZSTD_freeCCtx(context); }
};

ZstdSink::ZstdSink(std::unique_ptr<State> state) : state_(std::move(state)) {}
ZstdSink::ZstdSink(ZstdSink&&) noexcept = default;
ZstdSink::~ZstdSink() = default;

Result<ZstdSink> ZstdSink::create(ByteSink& to, int level) {
  auto state = std::make_unique<State>(to, ::ZSTD_createCCtx());
  const bool set = state->context != nullptr &&
                   ::ZSTD_isError(::ZSTD_CCtx_setParameter(state->context, ZSTD_c_compressionLevel, level)) == 0 &&
                   ::ZSTD_isError(::ZSTD_CCtx_setParameter(state->context, ZSTD_c_checksumFlag, 1)) == 0;
  if (!set) return fail(ErrorCode::kInternal, "image.stream.start", "zstd does not start");
  return ZstdSink(std::move(state));
}

Status ZstdSink::write(ByteView bytes) {
  ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
  while (from.pos < from.size) {
    ZSTD_outBuffer out{state_->buffer.data(), state_->buffer.size(), 0};
    const std::size_t code = ::ZSTD_compressStream2(state_->context, &out, &from, ZSTD_e_continue);
    if (::ZSTD_isError(code) != 0) return fail(ErrorCode::kInternal, "image.stream.compress", "zstd failed");
    GATEWAY_TRY(state_->to.write(ByteView(state_->buffer).first(out.pos)));
  }
  return {};
}

Status ZstdSink::finish() {
  ZSTD_inBuffer from{nullptr, 0, 0};
  std::size_t left = 1;
  while (left != 0) {
    ZSTD_outBuffer out{state_->buffer.data(), state_->buffer.size(), 0};
    left = ::ZSTD_compressStream2(state_->context, &out, &from, ZSTD_e_end);
    if (::ZSTD_isError(left) != 0) return fail(ErrorCode::kInternal, "image.stream.compress", "zstd failed");
    GATEWAY_TRY(state_->to.write(ByteView(state_->buffer).first(out.pos)));
  }
  return {};
}

std::string ZstdSink::version() { return ::ZSTD_versionString(); }

}  // namespace gateway::image
