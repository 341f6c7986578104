#include "image/oci.h"

#include "crypto/hash.h"
#include "image/testing.h"

namespace gateway::image {
namespace {

using testing::Folder;
using testing::tar_end;
using testing::tar_entry;

std::string digest(std::string_view text) { return to_hex(crypto::sha256(as_bytes(text))); }

// A layout of one image with the layers given; parts can be spoiled before they are written.
class OciTest : public ::testing::Test {
 protected:
  std::string blob(const std::string& contents) {
    const std::string hex = digest(contents);
    files_["blobs/sha256/" + hex] = contents;
    return "{\"mediaType\":\"" + media_type_ + "\",\"digest\":\"sha256:" + hex +
           "\",\"size\":" + std::to_string(contents.size()) + "}";
  }
  void lay_out(const std::vector<std::string>& layers, const std::string& architecture = "amd64") {
    std::string diff_ids;
    std::string descriptors;
    for (const std::string& layer : layers) {
      const std::string packed(as_text(testing::packed_zstd(as_bytes(layer))));
      media_type_ = "application/vnd.oci.image.layer.v1.tar+zstd";
      descriptors += (descriptors.empty() ? "" : ",") + blob(packed);
      diff_ids += (diff_ids.empty() ? "\"sha256:" : ",\"sha256:") + digest(layer) + "\"";
    }
    const std::string config = "{\"os\":\"linux\",\"architecture\":\"" + architecture +
                               "\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" + diff_ids + "]}}";
    media_type_ = "application/vnd.oci.image.config.v1+json";
    const std::string config_descriptor = blob(config);
    media_type_ = "application/vnd.oci.image.manifest.v1+json";
    const std::string manifest =
        "{\"schemaVersion\":2,\"config\":" + config_descriptor + ",\"layers\":[" + descriptors + "]}";
    manifest_ = blob(manifest);
    files_["index.json"] = "{\"schemaVersion\":2,\"manifests\":[" + manifest_ + "]}";
    files_["oci-layout"] = "{\"imageLayoutVersion\":\"1.0.0\"}";
  }
  // The form that docker save has written for years, without the layout beside it.
  void save_docker(const std::vector<std::string>& layers) {
    std::string diff_ids;
    std::string names;
    for (const std::string& layer : layers) {
      const std::string name = digest("id" + layer) + "/layer.tar";
      files_[name] = layer;
      names += (names.empty() ? "\"" : ",\"") + name + "\"";
      diff_ids += (diff_ids.empty() ? "\"sha256:" : ",\"sha256:") + digest(layer) + "\"";
    }
    const std::string config =
        "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[" + diff_ids + "]}}";
    files_[digest(config) + ".json"] = config;
    files_["manifest.json"] =
        "[{\"Config\":\"" + digest(config) + ".json\",\"RepoTags\":[\"a:1\"],\"Layers\":[" + names + "]}]";
  }
  std::string folder() {
    for (const auto& [name, contents] : files_) folder_.write("layout/" + name, contents);
    return folder_ / "layout";
  }
  std::string archive() {
    std::string tar;
    for (const auto& [name, contents] : files_) tar += tar_entry(name, '0', contents);
    return folder_.write("image.tar", tar + tar_end());
  }
  Result<std::vector<std::string>> names(const std::string& path) {
    GATEWAY_ASSIGN(RootFilesystem tree, RootFilesystem::create(folder_.path()));
    GATEWAY_TRY(add_oci_image(tree, path, folder_.path()));
    testing::MemorySink sink;
    CpioWriter writer(sink, 0);
    GATEWAY_TRY(tree.write(writer, "r"));
    GATEWAY_TRY(writer.finish());
    MemorySource source(sink.bytes);
    BufferedSource buffered(source);
    CpioReader reader(buffered, {});
    std::vector<std::string> out;
    while (true) {
      GATEWAY_ASSIGN(const auto entry, reader.next());
      if (!entry) return out;
      out.push_back(entry->name);
    }
  }
  Folder folder_;
  std::map<std::string, std::string> files_;
  std::string media_type_;
  std::string manifest_;
  const std::string lower_ = tar_entry("a", '0', "1") + tar_entry("b", '0', "2") + tar_end();
  const std::string upper_ = tar_entry(".wh.a", '0') + tar_entry("c", '0', "3") + tar_end();
};

TEST_F(OciTest, AppliesTheLayersOfALayoutInOrder) {
  lay_out({lower_, upper_});
  for (const std::string& path : {folder(), archive()}) {
    const auto found = names(path);
    ASSERT_OK(found);
    EXPECT_THAT(*found, ::testing::ElementsAre("r", "r/b", "r/c"));
  }
}

TEST_F(OciTest, AppliesTheLayersOfADockerArchive) {
  save_docker({lower_, upper_});
  const auto found = names(archive());
  ASSERT_OK(found);
  EXPECT_THAT(*found, ::testing::ElementsAre("r", "r/b", "r/c"));
}

TEST_F(OciTest, FollowsAnIndexInTheIndex) {
  lay_out({lower_});
  media_type_ = "application/vnd.oci.image.index.v1+json";
  const std::string other = ",{\"digest\":\"sha256:00\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}}";
  const std::string inner = "{\"manifests\":[" + manifest_ + other + "]}";
  files_["index.json"] = "{\"manifests\":[" + blob(inner) + "]}";
  const auto found = names(folder());
  ASSERT_OK(found);
  EXPECT_EQ(found->size(), 3);
}

TEST_F(OciTest, RefusesADamagedBlobByItsDigest) {
  lay_out({lower_});
  for (auto& [name, contents] : files_) {
    if (name.starts_with("blobs/") && contents.find("diff_ids") != std::string::npos) contents += " ";
  }
  EXPECT_REFUSED(names(folder()), "image.oci.digest");
}

TEST_F(OciTest, RefusesALayerThatIsNotWhatTheConfigurationSays) {
  save_docker({lower_});
  for (auto& [name, contents] : files_) {
    if (name.ends_with("layer.tar")) contents = tar_entry("evil", '0', "x") + tar_end();
  }
  EXPECT_REFUSED(names(archive()), "image.oci.diff_id");
}

TEST_F(OciTest, RefusesAChangedConfigurationOfADockerArchive) {
  save_docker({lower_});
  for (auto& [name, contents] : files_) {
    if (name != "manifest.json" && name.ends_with(".json")) contents += " ";
  }
  EXPECT_REFUSED(names(archive()), "image.oci.digest");
}

TEST_F(OciTest, RefusesOtherPlatformsMissingBlobsAndSeveralImages) {
  lay_out({lower_}, "arm64");
  EXPECT_REFUSED(names(folder()), "image.oci.platform");
  files_["index.json"] = "{\"manifests\":[" + manifest_ + "," + manifest_ + "]}";
  EXPECT_REFUSED(names(folder()), "image.oci.several");
  files_["index.json"] = "{\"manifests\":[]}";
  EXPECT_REFUSED(names(folder()), "image.oci.several");
  files_["index.json"] = "{\"manifests\":[{\"digest\":\"sha256:" + std::string(64, '0') + "\"}]}";
  EXPECT_REFUSED(names(folder()), "image.oci.blob");
  files_["index.json"] = "{\"manifests\":[{\"digest\":\"sha256:../../../etc/passwd\"}]}";
  EXPECT_REFUSED(names(folder()), "image.oci.layout");
  files_["index.json"] = "not json";
  EXPECT_REFUSED(names(folder()), "image.oci.json");
}

TEST_F(OciTest, RefusesWhatIsNoContainerImage) {
  std::filesystem::create_directory(folder_ / "layout");
  EXPECT_REFUSED(names(folder_ / "layout"), "image.oci.layout");
  EXPECT_REFUSED(names(folder_.write("empty.tar", tar_end())), "image.oci.layout");
  EXPECT_REFUSED(names(folder_ / "none.tar"), "image.file.missing");
  save_docker({lower_});
  files_["manifest.json"] = "[{\"Config\":\"../../../../etc/hostname\",\"Layers\":[]}]";
  EXPECT_REFUSED(names(folder()), "image.oci.blob");
  files_["manifest.json"] = "[]";
  EXPECT_REFUSED(names(folder()), "image.oci.several");
}

TEST_F(OciTest, RefusesLayersThatAreNoArchives) {
  lay_out({lower_});
  for (auto& [name, contents] : files_) {
    const std::size_t at = contents.find("layer.v1.tar+zstd");
    if (at == std::string::npos) continue;
    std::string changed = contents;
    changed.replace(at, 17, "layer.v1.zip");
    media_type_ = "application/vnd.oci.image.manifest.v1+json";
    files_["index.json"] = "{\"manifests\":[" + blob(changed) + "]}";
    break;
  }
  EXPECT_REFUSED(names(folder()), "image.oci.media_type");
}

}  // namespace
}  // namespace gateway::image
