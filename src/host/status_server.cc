#include "host/status_server.h"

#include <errno.h>
#include <sys/socket.h>

#include <array>

#include "host/control_api.h"
#include "host/json_fields.h"

namespace gateway::host {
namespace {

constexpr std::size_t kMaxCallers = 32;
constexpr std::size_t kMaxOutgoing = 1024UZ * 1024;
constexpr std::size_t kMaxTokens = 1024UZ * 1024;
constexpr std::size_t kReadSize = 16UZ * 1024;

}  // namespace

Result<ShimRequest> parse_shim_request(std::string_view line) {
  GATEWAY_ASSIGN(JsonFields fields,
                 JsonFields::parse(line, kMaxShimRequestLine, "host.shim.request", "host.shim.request"));
  GATEWAY_ASSIGN(const std::string op, fields.text("op", 16));
  ShimRequest request;
  if (op == "status") {
    request.kind = ShimRequest::Kind::kStatus;
  } else if (op == "watch") {
    request.kind = ShimRequest::Kind::kWatch;
  } else if (op == "tokens") {
    request.kind = ShimRequest::Kind::kTokens;
    GATEWAY_ASSIGN(request.tokens, fields.base64("list", kMaxTokens));
  } else if (op == "stop") {
    request.kind = ShimRequest::Kind::kStop;
    GATEWAY_ASSIGN(const std::uint64_t grace, fields.number("grace_ms", 600'000));
    request.grace = std::chrono::milliseconds(grace);
  } else {
    return fail(ErrorCode::kMalformed, "host.shim.request", "no such operation");
  }
  GATEWAY_TRY(fields.finish());
  return request;
}

StatusServer::StatusServer(net::Loop& loop, net::Descriptor listener, Events events)
    : loop_(loop), listener_(std::move(listener)), events_(std::move(events)) {
  source_ = loop_.watch(listener_.get(), [this](bool, bool, bool) { on_acceptable(); });
  source_->want(true, false);
}

StatusServer::~StatusServer() = default;

void StatusServer::on_acceptable() {
  net::Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid() || callers_.size() >= kMaxCallers) return;
  const Handle caller = callers_.emplace(callers_.end());
  caller->socket = std::move(socket);
  caller->source = loop_.watch(caller->socket.get(), [this, caller](bool readable, bool writable, bool hung_up) {
    on_caller(caller, readable, writable, hung_up);
  });
  caller->source->want(true, false);
}

void StatusServer::on_caller(Handle caller, bool readable, bool writable, bool hung_up) {
  served_ = &*caller;
  const bool alive = (!(readable || hung_up) || receive(*caller)) && (!writable || flush(*caller));
  served_ = nullptr;
  if (!alive || caller->broken) drop(caller);
}

// False when the caller is gone or broke the protocol.
bool StatusServer::receive(Caller& caller) {
  std::array<char, kReadSize> buffer{};
  const ssize_t got = ::recv(caller.socket.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (got <= 0) return false;
  caller.incoming.append(buffer.data(), static_cast<std::size_t>(got));
  for (std::size_t end = 0; (end = caller.incoming.find('\n')) != std::string::npos;) {
    const std::string line = caller.incoming.substr(0, end);
    caller.incoming.erase(0, end + 1);
    caller.outgoing.append(answer(caller, line)).push_back('\n');
  }
  return caller.incoming.size() <= kMaxShimRequestLine && flush(caller);
}

std::string StatusServer::answer(Caller& caller, std::string_view line) {
  auto request = parse_shim_request(line);
  if (!request) return encode_refusal(Reported::from(request.error()));
  switch (request->kind) {
    case ShimRequest::Kind::kWatch: caller.watches = true; [[fallthrough]];
    case ShimRequest::Kind::kStatus: return encode_status(events_.status());
    case ShimRequest::Kind::kTokens: events_.tokens(request->tokens); break;
    case ShimRequest::Kind::kStop: events_.stop(request->grace); break;
  }
  return R"({"ok":true})";
}

bool StatusServer::flush(Caller& caller) {
  while (!caller.outgoing.empty()) {
    const ssize_t sent = ::send(caller.socket.get(), caller.outgoing.data(), caller.outgoing.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent <= 0) return false;
    caller.outgoing.erase(0, static_cast<std::size_t>(sent));
  }
  caller.source->want(true, !caller.outgoing.empty());
  return caller.outgoing.size() <= kMaxOutgoing;
}

void StatusServer::changed() {
  const std::string line = encode_status(events_.status()) + "\n";
  for (Handle caller = callers_.begin(); caller != callers_.end();) {
    const Handle current = caller++;
    if (!current->watches) continue;
    current->outgoing.append(line);
    if (flush(*current)) continue;
    // A caller may be told of the change that its own request made; its function still uses it.
    if (&*current == served_) current->broken = true;
    else drop(current);
  }
}

void StatusServer::drop(Handle caller) {
  // Its own callback may be running: it goes when that has returned.
  auto gone = std::make_shared<std::list<Caller>>();
  gone->splice(gone->begin(), callers_, caller);
  caller->source.reset();
  loop_.defer([gone] {});
}

}  // namespace gateway::host
