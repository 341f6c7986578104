// The store of images on a host: each image once, by content, with its ramdisks unpacked.
//
// images/KEY/image.eif, images/KEY/tree/, images/KEY/complete.json. KEY hashes PCR0 and the kinds and lengths of the
// measured parts, so two images share a KEY only when they boot the same. An entry appears by one rename when it is
// whole. The store is a cache and is believed by nobody: each shim measures the image again.
//
// Input:  a descriptor of an untrusted file; it is copied first, so that its owner cannot change it afterwards.
// Bounds: max_image_size; what image/unpack.h allows.
// Errors: those of image/eif.h, measure.h, unpack.h and description.h; kInvalidArgument host.image.file;
//         kLimitExceeded host.image.size; kUnsupported host.image.architecture; kMalformed host.image.init,
//         host.image.description; kInternal host.store.write; kUnavailable host.store.damaged
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <string>

#include "image/description.h"
#include "image/measure.h"
#include "net/descriptor.h"

namespace gateway::host {

struct StoredImage {
  std::string key;   // hex
  std::string file;  // the store's own copy
  std::string tree;
  image::Description description;
};

// What two images share exactly when they boot the same.
std::string image_key(const image::Eif& eif, const image::Pcr& pcr0);

class ImageStore {
 public:
  // Removes what an interrupted addition left. One store a folder and process at a time may open it.
  static Result<ImageStore> open(const std::string& folder);
  ImageStore(ImageStore&& other) noexcept;

  // Finds the image in the store, or copies, measures and unpacks it. Safe from several threads and processes.
  Result<StoredImage> add(int image_file);
  // An image that was added before; checks that the tree is as it was unpacked (names, kinds, sizes, times).
  Result<StoredImage> find(const std::string& key);

  std::uint64_t max_image_size = 64ULL * 1024 * 1024 * 1024;

 private:
  // A file that has not changed since it was read need not be read again to be recognised.
  struct FileIdentity {
    std::array<std::uint64_t, 6> fields{};
    auto operator<=>(const FileIdentity&) const = default;
  };
  static Result<FileIdentity> identify(int image_file, std::uint64_t max_size);
  explicit ImageStore(std::string folder) : folder_(std::move(folder)) {}
  Result<std::string> copy_and_unpack(int image_file, const std::string& work);
  Status install(const std::string& work, const std::string& key, const image::Eif& eif);
  std::string entry(const std::string& key) const { return folder_ + "/" + key; }

  std::string folder_;
  std::mutex mutex_;
  std::map<FileIdentity, std::string> seen_;
};

}  // namespace gateway::host
