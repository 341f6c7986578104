#include "fetch/cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fetch/testing/fake_vendors.h"

namespace gateway::fetch {
namespace {

namespace fs = std::filesystem;
using testing::kNow;

class CacheTest : public ::testing::Test {
 protected:
  CacheTest() {
    std::string name = (fs::temp_directory_path() / "gateway-fetch-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~CacheTest() override { fs::remove_all(folder_); }

  Cache cache() const { return Cache(folder_ + "/below/cache"); }
  std::vector<fs::path> files(std::string_view prefix) const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_ + "/below/cache")) {
      if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path());
    }
    return found;
  }

  std::string folder_;
  const Url url_ = Url::parse("https://a.example/x").value();
  const Answer answer_{.content_type = "application/json", .body = to_bytes("{}"), .issuer_chain = "-----BEGIN%20"};
  const Time later_ = kNow + std::chrono::hours(1);
};

TEST_F(CacheTest, KeepsAnswersUntilTheyExpire) {
  EXPECT_FALSE(cache().find(url_, kNow));
  ASSERT_TRUE(cache().insert(url_, answer_, later_));
  const auto found = cache().find(url_, kNow);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->body, answer_.body);
  EXPECT_EQ(found->content_type, answer_.content_type);
  EXPECT_EQ(found->issuer_chain, answer_.issuer_chain);
  EXPECT_TRUE(cache().find(url_, later_ - Duration(1)));
  EXPECT_FALSE(cache().find(url_, later_));
  EXPECT_FALSE(cache().find(Url::parse("https://a.example/y").value(), kNow));
}

TEST_F(CacheTest, ANewAnswerTakesTheOldOnesPlace) {
  ASSERT_TRUE(cache().insert(url_, answer_, later_));
  ASSERT_TRUE(cache().insert(url_, {.content_type = {}, .body = to_bytes("new"), .issuer_chain = {}}, later_));
  EXPECT_EQ(cache().find(url_, kNow)->body, to_bytes("new"));
}

TEST_F(CacheTest, LeavesNoHalfWrittenFiles) {
  ASSERT_TRUE(cache().insert(url_, answer_, later_));
  EXPECT_EQ(files("").size(), 2U);
}

TEST_F(CacheTest, DoesNotBelieveWhatWasChanged) {
  ASSERT_TRUE(cache().insert(url_, answer_, later_));
  const auto contents = files("");
  for (const fs::path& path : contents) {
    if (!path.filename().string().starts_with("url-")) std::ofstream(path) << "[]";
  }
  EXPECT_FALSE(cache().find(url_, kNow));
}

TEST_F(CacheTest, DoesNotFollowAnIndexElsewhere) {
  ASSERT_TRUE(cache().insert(url_, answer_, later_));
  const fs::path index = files("url-").at(0);
  const auto judge = [&](const std::string& text) {
    std::ofstream(index) << text;
    return cache().find(url_, kNow).has_value();
  };
  const std::string digest = to_hex(crypto::sha256(answer_.body));
  const auto text = [&](const std::string& url, const std::string& expires, const std::string& content) {
    return R"({"url":")" + url + R"(","expires":")" + expires + R"(","content":")" + content + "\"}";
  };
  const std::string good_time = "2027-01-01T00:00:00Z";
  EXPECT_TRUE(judge(text("https://a.example/x", good_time, digest)));
  EXPECT_FALSE(judge(text("https://b.example/x", good_time, digest)));
  EXPECT_FALSE(judge(text("https://a.example/x", "never", digest)));
  EXPECT_FALSE(judge(text("https://a.example/x", good_time, "../../../etc/passwd")));
  EXPECT_FALSE(judge(text("https://a.example/x", good_time, "")));
  EXPECT_FALSE(judge("[]"));
  EXPECT_FALSE(judge("{"));
  EXPECT_FALSE(judge(text("https://a.example/x", good_time, digest) + std::string(200'000, ' ')));
}

TEST_F(CacheTest, SaysWhenItCannotWrite) {
  std::ofstream(folder_ + "/below") << "a file where a folder should be";
  EXPECT_EQ(cache().insert(url_, answer_, later_).error().id(), "collateral.fetch.write");
  EXPECT_EQ(write_atomically(folder_ + "/missing/x", answer_.body).error().id(), "collateral.fetch.write");
  fs::create_directory(folder_ + "/folder");
  EXPECT_EQ(write_atomically(folder_ + "/folder", answer_.body).error().id(), "collateral.fetch.write");
}

}  // namespace
}  // namespace gateway::fetch
