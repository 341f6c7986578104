#include "net/loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <vector>

namespace gateway::net {
namespace {

using namespace std::chrono_literals;

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    a = Descriptor(ends[0]);
    b = Descriptor(ends[1]);
  }
  Descriptor a;
  Descriptor b;
};

void put(const Descriptor& to) { EXPECT_EQ(::write(to.get(), "x", 1), 1); }
void take(const Descriptor& from) {
  char c = 0;
  EXPECT_EQ(::read(from.get(), &c, 1), 1);
}

TEST(Descriptor, ClosesWhatItOwnsOnce) {
  Pair pair;
  const int raw = pair.a.get();
  Descriptor moved = std::move(pair.a);
  EXPECT_EQ(moved.get(), raw);
  moved = Descriptor();
  EXPECT_EQ(::read(raw, nullptr, 0), -1);
  char c = 0;
  EXPECT_EQ(::read(pair.b.get(), &c, 1), 0);
}

TEST(Loop, TellsReadiness) {
  Loop loop;
  Pair pair;
  int reads = 0, writes = 0;
  std::unique_ptr<Source> source;
  source = loop.watch(pair.a.get(), [&](bool readable, bool writable, bool) {
    if (writable) {
      ++writes;
      source->want(true, false);
      put(pair.b);
    }
    if (readable) {
      ++reads;
      take(pair.a);
      loop.stop();
    }
  });
  source->want(false, true);
  loop.run();
  EXPECT_EQ(reads, 1);
  EXPECT_EQ(writes, 1);
}

TEST(Loop, TellsAHangUpOnceWhenNothingIsWanted) {
  Loop loop;
  Pair pair;
  int told = 0;
  auto source = loop.watch(pair.a.get(), [&](bool, bool, bool hung_up) { told += hung_up ? 1 : 0; });
  source->want(false, false);
  pair.b.reset();
  auto timer = loop.timer([&] { loop.stop(); });
  timer->arm(30ms);
  loop.run();
  EXPECT_EQ(told, 1);
}

TEST(Loop, SourcesMayDieInAnyCallback) {
  Loop loop;
  std::vector<Pair> pairs(8);
  std::vector<std::unique_ptr<Source>> sources(8);
  int calls = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    sources[i] = loop.watch(pairs[i].a.get(), [&, big = std::array<char, 64>{}](bool, bool, bool) {
      (void)big;
      ++calls;
      for (auto& each : sources) each.reset();  // its own included
      loop.defer([&] { loop.stop(); });
    });
    sources[i]->want(true, false);
    put(pairs[i].b);
  }
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(Loop, CallbacksMayOwnOtherSources) {
  Loop loop;
  Pair pair, other;
  auto owned = std::shared_ptr<Source>(loop.watch(other.a.get(), [](bool, bool, bool) {}));
  auto source = loop.watch(pair.a.get(), [owned](bool, bool, bool) {});
  owned.reset();
  source.reset();
  loop.stop();
  loop.run();
}

TEST(Loop, FiresTimersInTheirOrderOnce) {
  Loop loop;
  std::vector<int> order;
  auto late = loop.timer([&] {
    order.push_back(3);
    loop.stop();
  });
  auto middle = loop.timer([&] { order.push_back(2); });
  auto early = loop.timer([&] { order.push_back(1); });
  late->arm(30ms);
  middle->arm(15ms);
  early->arm(1ms);
  const auto begin = std::chrono::steady_clock::now();
  loop.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 30ms);
}

TEST(Loop, TimersCanBePutOffBroughtForwardAndStopped) {
  Loop loop;
  int off = 0, forward = 0, stopped = 0;
  auto put_off = loop.timer([&] { ++off; });
  auto brought = loop.timer([&] { ++forward; });
  auto disarmed = loop.timer([&] { ++stopped; });
  auto destroyed = loop.timer([&] { ++stopped; });
  put_off->arm(5ms);
  put_off->arm(10'000ms);
  brought->arm(10'000ms);
  brought->arm(5ms);
  disarmed->arm(5ms);
  disarmed->disarm();
  destroyed->arm(5ms);
  destroyed.reset();
  auto end = loop.timer([&] { loop.stop(); });
  end->arm(30ms);
  loop.run();
  EXPECT_EQ(off, 0);
  EXPECT_EQ(forward, 1);
  EXPECT_EQ(stopped, 0);
}

TEST(Loop, ATimerMayArmOrDestroyItself) {
  Loop loop;
  int fired = 0;
  std::unique_ptr<Timer> timer;
  timer = loop.timer([&] {
    if (++fired < 3) {
      timer->arm(0ms);
    } else {
      timer.reset();
      loop.stop();
    }
  });
  timer->arm(0ms);
  loop.run();
  EXPECT_EQ(fired, 3);
}

TEST(Loop, RunsWhatOtherThreadsPost) {
  Loop loop;
  int ran = 0;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop.post([&] { ++ran; });
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  EXPECT_EQ(ran, 100);
}

TEST(Loop, AStopBeforeRunIsNotLost) {
  Loop loop;
  loop.stop();
  loop.run();
  bool ran = false;
  loop.post([&] {
    ran = true;
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(Loop, DefersUntilAfterTheBatch) {
  Loop loop;
  std::vector<int> order;
  loop.post([&] {
    loop.defer([&] {
      order.push_back(2);
      loop.defer([&] {
        order.push_back(3);
        loop.stop();
      });
    });
    order.push_back(1);
  });
  loop.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

}  // namespace
}  // namespace gateway::net
