#include "fetch/cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "codec/json.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "net/descriptor.h"

namespace gateway::fetch {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxIndex = 128UZ * 1024;  // a head's issuer chain is in it
constexpr std::size_t kMaxContent = 4UZ * 1024 * 1024;

std::unexpected<Error> cannot_write(const std::string& path) {
  return fail(ErrorCode::kUnavailable, "collateral.fetch.write",
              path + " cannot be written: " + std::generic_category().message(errno),
              "check that the folder exists, that you may write there, and that there is room");
}

std::optional<Bytes> read_whole(const std::string& path, std::size_t limit) {
  const net::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info{};
  if (!file.valid() || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  if (info.st_size < 0 || static_cast<std::uint64_t>(info.st_size) > limit) return std::nullopt;
  Bytes content(static_cast<std::size_t>(info.st_size));
  std::size_t at = 0;
  while (at < content.size()) {
    const ssize_t got = ::read(file.get(), content.data() + at, content.size() - at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    at += static_cast<std::size_t>(got);
  }
  return content;
}

std::string digest(ByteView bytes) { return to_hex(crypto::sha256(bytes)); }

std::optional<std::string> text_of(const json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  const auto& text = value->get_string();
  return std::string(text.data(), text.size());
}

}  // namespace

Status write_atomically(const std::string& path, ByteView bytes) {
  const std::string beside = path + "." + to_hex(crypto::random_array<8>()) + ".part";
  const net::Descriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.valid()) return cannot_write(path);
  const auto give_up = [&] {
    const int why = errno;
    ::unlink(beside.c_str());
    errno = why;
    return cannot_write(path);
  };
  while (!bytes.empty()) {
    const ssize_t sent = ::write(file.get(), bytes.data(), bytes.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return give_up();
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  if (::fsync(file.get()) != 0 || ::rename(beside.c_str(), path.c_str()) != 0) return give_up();
  return {};
}

std::optional<Answer> Cache::find(const Url& url, Time now) const {
  const std::string wanted = url.to_string();
  const auto index = read_whole(folder_ + "/url-" + digest(as_bytes(wanted)) + ".json", kMaxIndex);
  if (!index) return std::nullopt;
  const auto parsed = codec::parse_json(as_text(*index), {.bytes = kMaxIndex, .depth = 4, .values = 32});
  const auto* fields = parsed ? parsed->if_object() : nullptr;
  if (fields == nullptr) return std::nullopt;
  const auto kept_url = text_of(*fields, "url");
  const auto expires = text_of(*fields, "expires");
  const auto content = text_of(*fields, "content");
  const auto expiry = expires ? from_rfc3339(*expires) : std::nullopt;
  if (kept_url != wanted || !expiry || now >= *expiry || !content || !from_hex(*content)) return std::nullopt;
  auto body = read_whole(folder_ + "/" + *content, kMaxContent);
  if (!body || digest(*body) != *content) return std::nullopt;
  return Answer{.content_type = text_of(*fields, "content_type").value_or(""),
                .body = *std::move(body),
                .issuer_chain = text_of(*fields, "issuer_chain").value_or("")};
}

Status Cache::insert(const Url& url, const Answer& answer, Time expires) const {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) {
    errno = error.value();
    return cannot_write(folder_);
  }
  const std::string content = digest(answer.body);
  GATEWAY_TRY(write_atomically(folder_ + "/" + content, answer.body));
  const std::string name = url.to_string();
  const json::object index{{"url", name},
                           {"expires", to_rfc3339(expires)},
                           {"content", content},
                           {"content_type", answer.content_type},
                           {"issuer_chain", answer.issuer_chain}};
  return write_atomically(folder_ + "/url-" + digest(as_bytes(name)) + ".json", as_bytes(codec::write_json(index)));
}

}  // namespace gateway::fetch
