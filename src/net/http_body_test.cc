#include <gtest/gtest.h>

#include "net/http.h"

namespace gateway::net {
namespace {

struct Outcome {
  std::string payload;
  std::string rest;
  std::string error;
  bool whole = false;
  bool operator==(const Outcome&) const = default;
};

// Feeds the input in pieces of this size, as a transport would.
Outcome follow(BodyTracker tracker, std::string_view input, std::size_t piece_size = SIZE_MAX) {
  Outcome out;
  while (!input.empty() && !tracker.whole()) {
    std::string_view piece = input.substr(0, piece_size);
    input.remove_prefix(piece.size());
    while (!piece.empty() && !tracker.whole()) {
      const auto next = tracker.next(as_bytes(piece));
      if (!next) {
        out.error = next.error().id();
        return out;
      }
      out.payload += as_text(next->payload);
      EXPECT_GT(next->wire, 0u);
      EXPECT_EQ(next->done, tracker.whole());
      piece.remove_prefix(next->wire);
    }
    out.rest = piece;
  }
  out.rest += input;
  out.whole = tracker.whole();
  return out;
}

Outcome chunked(std::string_view input) {
  const Outcome at_once = follow(BodyTracker(Framing::kChunked, 0), input);
  for (const std::size_t size : {1UZ, 2UZ, 3UZ, 7UZ}) {
    const Outcome split = follow(BodyTracker(Framing::kChunked, 0), input, size);
    EXPECT_EQ(split.payload, at_once.payload) << input;
    EXPECT_EQ(split.error, at_once.error) << input;
    EXPECT_EQ(split.whole, at_once.whole) << input;
    EXPECT_EQ(split.rest, at_once.rest) << input;
  }
  return at_once;
}

TEST(Body, WithoutContentIsWholeAtOnce) {
  EXPECT_TRUE(BodyTracker().whole());
  EXPECT_TRUE(BodyTracker(Framing::kLength, 0).whole());
  BodyTracker none;
  const auto piece = none.next(as_bytes("next request"));
  ASSERT_TRUE(piece);
  EXPECT_EQ(piece->wire, 0u);
  EXPECT_TRUE(piece->done);
}

TEST(Body, OfALengthEndsThere) {
  const Outcome out = follow(BodyTracker(Framing::kLength, 5), "helloGET /");
  EXPECT_EQ(out.payload, "hello");
  EXPECT_EQ(out.rest, "GET /");
  EXPECT_TRUE(out.whole);
  EXPECT_FALSE(follow(BodyTracker(Framing::kLength, 5), "hell").whole);
}

TEST(Body, UntilCloseIsWholeOnlyWhenTheTransportEndedInOrder) {
  BodyTracker body(Framing::kUntilClose, 0);
  ASSERT_TRUE(body.next(as_bytes("some")));
  EXPECT_FALSE(body.whole());
  body.transport_ended_in_order();
  EXPECT_TRUE(body.whole());
  BodyTracker cut(Framing::kChunked, 0);
  cut.transport_ended_in_order();
  EXPECT_FALSE(cut.whole());
}

TEST(ChunkedBody, IsFollowedToItsEnd) {
  const Outcome out = chunked("5\r\nhello\r\n6;ext=\"x\"\r\n world\r\n000A\r\n0123456789\r\n0\r\n\r\nGET /");
  EXPECT_EQ(out.payload, "hello world0123456789");
  EXPECT_EQ(out.rest, "GET /");
  EXPECT_TRUE(out.whole);
  EXPECT_EQ(out.error, "");
}

TEST(ChunkedBody, DropsTrailers) {
  const Outcome out = chunked("1\r\na\r\n0\r\nContent-Length: 5\r\nX: y\r\n\r\nrest");
  EXPECT_EQ(out.payload, "a");
  EXPECT_EQ(out.rest, "rest");
  EXPECT_TRUE(out.whole);
}

TEST(ChunkedBody, IsNotWholeBeforeItsLastLine) {
  const std::string text = "3\r\nabc\r\n0\r\nT: x\r\n\r\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    const Outcome out = chunked(text.substr(0, size));
    EXPECT_FALSE(out.whole) << size;
    EXPECT_EQ(out.error, "") << size;
  }
  EXPECT_TRUE(chunked(text).whole);
}

TEST(ChunkedBody, RefusesWhatIsNotInTheGrammar) {
  for (const char* bad : {"\r\n",
                          "x\r\n",
                          "-1\r\n",
                          "+1\r\n",
                          "0x1\r\n",
                          " 1\r\n",
                          "1 \r\n",
                          "1 ;a\r\n",
                          "1,\r\n",
                          "1\n",
                          "1;a\n",
                          "1;a\x01\r\n",
                          "3\r\nabcd\r\n",
                          "3\r\nabc\n",
                          "3\r\nabc0\r\n\r\n",
                          "3\r\nabc\r\r\n",
                          "0\r\nno colon\r\n\r\n",
                          "0\r\n: x\r\n\r\n",
                          "0\r\nA b: x\r\n\r\n",
                          "0\r\nA: x\n\r\n",
                          "0\r\n folded: x\r\n\r\n",
                          "1\r\n\r\n\r\n\r\n"}) {
    EXPECT_EQ(chunked(bad).error, "http.chunk") << bad;
  }
  EXPECT_EQ(chunked("3\r\nabcX").payload, "abc");
}

TEST(ChunkedBody, KeepsItsLimits) {
  EXPECT_EQ(chunked("1000000000000000\r\n").error, "http.chunk_size");
  EXPECT_EQ(chunked("0000000000000001\r\n").error, "http.chunk_size");
  EXPECT_EQ(chunked("fffffffffffffff\r\n").error, "");
  EXPECT_EQ(chunked("1;" + std::string(2000, 'x')).error, "http.chunk_overhead");
  std::string extensions, trailers = "0\r\n";
  for (int i = 0; i < 40; ++i) {
    extensions += "1;" + std::string(500, 'x') + "\r\na\r\n";
    trailers += "A: " + std::string(500, 'x') + "\r\n";
  }
  EXPECT_EQ(chunked(extensions).error, "http.chunk_overhead");
  EXPECT_EQ(chunked(trailers).error, "http.chunk_overhead");
}

}  // namespace
}  // namespace gateway::net
