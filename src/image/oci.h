// Container images on disk: OCI image layouts (a folder, or a tar of one) and `docker save` archives.
//
// Input:  untrusted. Every blob's digest is verified before it is unpacked; only amd64 Linux images are taken.
// Output: the layers, applied in order with their whiteouts, in the tree.
// Bounds: JSON documents of 4 MiB, 512 layers, one level of nested indexes; TarLimits for each layer.
// Spec:   OCI Image Format 1.1 (layout, index, manifest, config, layer); Docker Image Specification 1.2.
// Errors: kMalformed image.oci.layout, image.oci.json, image.oci.digest, image.oci.diff_id; kNotFound image.oci.blob;
//         kUnsupported image.oci.media_type, image.oci.platform; kInvalidArgument image.oci.several
#pragma once

#include <string>

#include "image/rootfs.h"

namespace gateway::image {

Status add_oci_image(RootFilesystem& tree, const std::string& path, const std::string& spool_folder);

}  // namespace gateway::image
