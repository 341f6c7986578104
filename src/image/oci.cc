#include "image/oci.h"

#include <boost/json.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "codec/json.h"
#include "crypto/hash.h"

namespace gateway::image {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t kMaxDocument = 4UZ * 1024 * 1024;
constexpr std::size_t kMaxLayers = 512;
constexpr codec::JsonLimits kJsonLimits{.bytes = kMaxDocument, .depth = 16, .values = 100'000};

std::unexpected<Error> layout(std::string detail) {
  return fail(ErrorCode::kMalformed, "image.oci.layout", "the container image: " + std::move(detail),
              "name an OCI image layout (folder or tar) or an archive made by docker save");
}

// Files of a layout by name: in a folder, or inside a tar that lies in a spool or on disk.
class Files {
 public:
  virtual ~Files() = default;
  virtual Result<ByteView> open(const std::string& name) = 0;  // valid as long as this object
  virtual bool has(const std::string& name) const = 0;
  virtual void release(ByteView part) const = 0;  // MappedFile::release
};

class FolderFiles final : public Files {
 public:
  explicit FolderFiles(std::string folder) : folder_(std::move(folder)) {}
  bool has(const std::string& name) const override {
    std::error_code ignored;
    // Names come from the image's own documents: none may lead out of the folder.
    return normalised_name(name) == name && fs::is_regular_file(fs::path(folder_) / name, ignored);
  }
  Result<ByteView> open(const std::string& name) override {
    if (!has(name)) {
      return fail(ErrorCode::kNotFound, "image.oci.blob", folder_ + " has no " + name, "copy or save the image again");
    }
    GATEWAY_ASSIGN(MappedFile file, MappedFile::open(folder_ + "/" + name));
    open_.push_back(std::make_unique<MappedFile>(std::move(file)));
    return open_.back()->view();
  }
  void release(ByteView part) const override {
    for (const auto& file : open_) file->release(part);
  }

 private:
  std::string folder_;
  std::vector<std::unique_ptr<MappedFile>> open_;
};

// An archive's entries, copied into a spool once and mapped.
class ArchiveFiles final : public Files {
 public:
  static Result<std::unique_ptr<ArchiveFiles>> read(const std::string& path, const std::string& spool_folder) {
    GATEWAY_ASSIGN(const MappedFile archive, MappedFile::open(path));
    GATEWAY_ASSIGN(const auto member, open_member(archive.view(), recognise_compression(archive.view())));
    GATEWAY_ASSIGN(SpoolFile spool, SpoolFile::create(spool_folder));
    auto out = std::unique_ptr<ArchiveFiles>(new ArchiveFiles);
    BufferedSource buffered(*member);
    TarReader reader(buffered, {});
    Bytes buffer(256UZ * 1024);
    std::map<std::string, std::string> links;
    while (true) {
      GATEWAY_ASSIGN(const std::optional<TarEntry> entry, reader.next());
      if (!entry) break;
      // docker save used to link equal layers to each other.
      if (entry->type == TarType::kSymlink || entry->type == TarType::kHardLink) {
        const std::string folder = entry->type == TarType::kSymlink ? fs::path(entry->name).parent_path().string() : "";
        links[entry->name] = (fs::path(folder) / entry->link).lexically_normal().string();
      }
      if (entry->type != TarType::kFile) continue;
      const std::uint64_t offset = spool.size();
      while (true) {
        GATEWAY_ASSIGN(const std::size_t got, reader.read(buffer));
        if (got == 0) break;
        GATEWAY_TRY(spool.append(ByteView(buffer).first(got)));
      }
      out->places_[entry->name] = {offset, spool.size() - offset};
    }
    for (const auto& [name, target] : links) {
      if (const auto place = out->places_.find(target); place != out->places_.end()) out->places_[name] = place->second;
    }
    GATEWAY_ASSIGN(out->contents_, spool.map());
    return out;
  }
  bool has(const std::string& name) const override { return places_.contains(name); }
  Result<ByteView> open(const std::string& name) override {
    const auto place = places_.find(name);
    if (place == places_.end()) {
      return fail(ErrorCode::kNotFound, "image.oci.blob", "the archive has no " + name, "save the image again");
    }
    return contents_->view().subspan(static_cast<std::size_t>(place->second.first),
                                     static_cast<std::size_t>(place->second.second));
  }
  void release(ByteView part) const override { contents_->release(part); }

 private:
  ArchiveFiles() = default;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> places_;
  std::optional<MappedFile> contents_;
};

Result<json::value> parse_document(ByteView bytes, std::string_view what) {
  auto value = codec::parse_json(as_text(bytes), kJsonLimits);
  if (value && value->is_object()) return value;
  if (value && value->is_array()) return value;
  return fail(
      ErrorCode::kMalformed, "image.oci.json",
      "the container image's " + std::string(what) + (value ? " is not an object" : ": " + value.error().message()));
}

std::optional<std::string> text_at(const json::value& value, std::string_view key) {
  const json::object* object = value.if_object();
  const json::value* found = object != nullptr ? object->if_contains(key) : nullptr;
  if (found == nullptr || !found->is_string()) return std::nullopt;
  return std::string(found->get_string());
}

const json::array* array_at(const json::value& value, std::string_view key) {
  const json::object* object = value.if_object();
  const json::value* found = object != nullptr ? object->if_contains(key) : nullptr;
  return found != nullptr ? found->if_array() : nullptr;
}

std::string hash_blob(const Files& files, ByteView blob) {
  constexpr std::size_t kChunk = 4UZ * 1024 * 1024;
  crypto::Hasher hasher(crypto::HashAlgorithm::kSha256);
  for (; !blob.empty(); blob = blob.subspan(std::min(blob.size(), kChunk))) {
    const ByteView chunk = blob.first(std::min(blob.size(), kChunk));
    hasher.update(chunk);
    files.release(chunk);
  }
  return to_hex(hasher.finish());
}

// A blob by its digest, checked against it.
Result<ByteView> open_blob(Files& files, const json::value& descriptor) {
  const auto digest = text_at(descriptor, "digest");
  constexpr std::string_view kSha256 = "sha256:";
  if (!digest || !digest->starts_with(kSha256) || digest->size() != kSha256.size() + 64 ||
      digest->find_first_not_of("0123456789abcdef", kSha256.size()) != std::string::npos) {
    return layout("a descriptor has no SHA-256 digest");
  }
  const std::string hex = digest->substr(kSha256.size());
  GATEWAY_ASSIGN(const ByteView blob, files.open("blobs/sha256/" + hex));
  if (hash_blob(files, blob) != hex) {
    return fail(ErrorCode::kMalformed, "image.oci.digest",
                "a blob of the container image does not have the digest that names it",
                "the image is damaged or was changed; copy or save it again");
  }
  return blob;
}

Status check_platform(const json::value& config) {
  const auto system = text_at(config, "os");
  const auto architecture = text_at(config, "architecture");
  if (system == "linux" && architecture == "amd64") return {};
  return fail(ErrorCode::kUnsupported, "image.oci.platform", "the container image is not for linux/amd64",
              "pull or build it for linux/amd64");
}

std::unexpected<Error> several(std::size_t count) {
  return fail(
      ErrorCode::kInvalidArgument, "image.oci.several",
      "the container image's index holds " + std::to_string(count) + " images for linux/amd64; exactly one is needed",
      "save one image by its name");
}

// Applies one layer; `diff_id` is the digest of its uncompressed tar and is checked as it is read.
class HashingSource final : public ByteSource {
 public:
  explicit HashingSource(ByteSource& from) : from_(from), hasher_(crypto::HashAlgorithm::kSha256) {}
  Result<std::size_t> read(std::span<std::uint8_t> out) override {
    GATEWAY_ASSIGN(const std::size_t got, from_.read(out));
    hasher_.update(out.first(got));
    return got;
  }
  std::string hex() { return to_hex(hasher_.finish()); }

 private:
  ByteSource& from_;
  crypto::Hasher hasher_;
};

Status add_layer(RootFilesystem& tree, ByteView blob, const std::string& diff_id) {
  GATEWAY_ASSIGN(const auto member, open_member(blob, recognise_compression(blob)));
  HashingSource hashed(*member);
  GATEWAY_TRY(tree.add_tar(hashed, {.folder_over_link = RootFilesystem::FolderOverLink::kReplace,
                                    .whiteouts = RootFilesystem::Whiteouts::kApply,
                                    .excluded = {}}));
  if ("sha256:" + hashed.hex() == diff_id) return {};
  return fail(ErrorCode::kMalformed, "image.oci.diff_id",
              "a layer of the container image does not unpack to what its configuration says",
              "the image is damaged or was changed; copy or save it again");
}

Status apply(RootFilesystem& tree, const Files& files, const json::value& config, const std::vector<ByteView>& layers) {
  GATEWAY_TRY(check_platform(config));
  const json::object* root = config.if_object();
  const json::value* rootfs = root != nullptr ? root->if_contains("rootfs") : nullptr;
  const json::array* diff_ids = rootfs != nullptr ? array_at(*rootfs, "diff_ids") : nullptr;
  if (diff_ids == nullptr || diff_ids->size() != layers.size() || layers.size() > kMaxLayers) {
    return layout("its configuration and its manifest differ in the number of layers");
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const json::value& diff_id = (*diff_ids)[i];
    if (!diff_id.is_string()) return layout("a diff_id is not a text");
    GATEWAY_TRY(add_layer(tree, layers[i], std::string(diff_id.get_string())));
    files.release(layers[i]);
  }
  return {};
}

bool is_index(const std::optional<std::string>& media_type) {
  return media_type == "application/vnd.oci.image.index.v1+json" ||
         media_type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

// The manifests of an index that are for linux/amd64, or that do not say (a layout with one image need not).
std::vector<const json::value*> candidates(const json::array& manifests) {
  std::vector<const json::value*> out;
  for (const json::value& manifest : manifests) {
    const json::object* object = manifest.if_object();
    const json::value* platform = object != nullptr ? object->if_contains("platform") : nullptr;
    if (platform == nullptr || (text_at(*platform, "os") == "linux" && text_at(*platform, "architecture") == "amd64")) {
      out.push_back(&manifest);
    }
  }
  return out;
}

Status add_layout(RootFilesystem& tree, Files& files) {
  GATEWAY_ASSIGN(const ByteView index_bytes, files.open("index.json"));
  GATEWAY_ASSIGN(json::value index, parse_document(index_bytes, "index"));
  json::value descriptor;
  for (int level = 0;; ++level) {
    const json::array* manifests = array_at(index, "manifests");
    if (manifests == nullptr) return layout("its index has no manifests");
    const auto found = candidates(*manifests);
    if (found.size() != 1) return several(found.size());
    descriptor = *found.front();
    if (!is_index(text_at(descriptor, "mediaType"))) break;
    if (level == 1) return layout("indexes are nested deeper than two levels");
    GATEWAY_ASSIGN(const ByteView inner, open_blob(files, descriptor));
    GATEWAY_ASSIGN(index, parse_document(inner, "inner index"));
  }
  GATEWAY_ASSIGN(const ByteView manifest_bytes, open_blob(files, descriptor));
  GATEWAY_ASSIGN(const json::value manifest, parse_document(manifest_bytes, "manifest"));
  const json::object* object = manifest.if_object();
  const json::value* config_descriptor = object != nullptr ? object->if_contains("config") : nullptr;
  const json::array* layer_descriptors = array_at(manifest, "layers");
  if (config_descriptor == nullptr || layer_descriptors == nullptr)
    return layout("its manifest has no config or no layers");
  GATEWAY_ASSIGN(const ByteView config_bytes, open_blob(files, *config_descriptor));
  GATEWAY_ASSIGN(const json::value config, parse_document(config_bytes, "configuration"));
  std::vector<ByteView> layers;
  for (const json::value& layer : *layer_descriptors) {
    const auto type = text_at(layer, "mediaType").value_or("");
    if (type.find("tar") == std::string::npos || type.find("encrypted") != std::string::npos) {
      return fail(ErrorCode::kUnsupported, "image.oci.media_type",
                  "a layer of the container image is not a tar archive", "use an ordinary image");
    }
    GATEWAY_ASSIGN(const ByteView blob, open_blob(files, layer));
    layers.push_back(blob);
  }
  return apply(tree, files, config, layers);
}

// manifest.json of docker save: [{"Config": name, "RepoTags": […], "Layers": [names]}]. Older versions have no OCI
// index beside it; the layers are then bound by the diff_ids of the configuration, whose name is its digest.
Status add_docker_archive(RootFilesystem& tree, Files& files) {
  GATEWAY_ASSIGN(const ByteView bytes, files.open("manifest.json"));
  GATEWAY_ASSIGN(const json::value manifest, parse_document(bytes, "manifest"));
  const json::array* images = manifest.if_array();
  if (images == nullptr) return layout("manifest.json is not an array");
  if (images->size() != 1) return several(images->size());
  const auto config_name = text_at(images->front(), "Config");
  const json::array* layer_names = array_at(images->front(), "Layers");
  if (!config_name || layer_names == nullptr) return layout("manifest.json has no Config or no Layers");
  GATEWAY_ASSIGN(const ByteView config_bytes, files.open(*config_name));
  const std::string hex = fs::path(*config_name).stem().string();
  if (hash_blob(files, config_bytes) != hex) {
    return fail(ErrorCode::kMalformed, "image.oci.digest",
                "the configuration of the container image does not have the digest that names it",
                "the image is damaged or was changed; save it again");
  }
  GATEWAY_ASSIGN(const json::value config, parse_document(config_bytes, "configuration"));
  std::vector<ByteView> layers;
  for (const json::value& name : *layer_names) {
    if (!name.is_string()) return layout("the name of a layer is not a text");
    GATEWAY_ASSIGN(const ByteView layer, files.open(std::string(name.get_string())));
    layers.push_back(layer);
  }
  return apply(tree, files, config, layers);
}

}  // namespace

Status add_oci_image(RootFilesystem& tree, const std::string& path, const std::string& spool_folder) {
  std::unique_ptr<Files> files;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    files = std::make_unique<FolderFiles>(path);
  } else {
    GATEWAY_ASSIGN(files, ArchiveFiles::read(path, spool_folder));
  }
  if (files->has("oci-layout") && files->has("index.json")) return add_layout(tree, *files);
  if (files->has("manifest.json")) return add_docker_archive(tree, *files);
  return layout("there is neither an oci-layout with an index.json nor a manifest.json");
}

}  // namespace gateway::image
