# What an installation has, where Debian's people expect it:
#   bin/gateway  sbin/gatewayd  libexec/gateway/{gateway-enclave,gateway-shim}
#   lib/libgateway.a with headers, pkg-config and CMake files; lib/libgateway-verify.{so,a} with its one header
#   man pages, shell completion, a systemd unit, examples and the demo
# `cmake --install` and the .deb (`./dev package`) both come from here.
if(GATEWAY_FUZZERS)
  return()
endif()
include(CMakePackageConfigHelpers)

install(TARGETS gateway RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS gatewayd RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
# gateway-hostile-host is what the demo shows refusals with: it cheats with what any host has.
foreach(program gateway-enclave gateway-shim gateway-hostile-host)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/gateway)
  endif()
endforeach()

# libgateway: the client and what it stands on, in one archive.
set(GATEWAY_LIBRARY_MODULES base codec crypto net attestation channel client)
set(objects)
foreach(module IN LISTS GATEWAY_LIBRARY_MODULES)
  list(APPEND objects $<TARGET_OBJECTS:gateway_${module}>)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/${module} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gateway
          FILES_MATCHING PATTERN "*.h"
          PATTERN "testing" EXCLUDE PATTERN "*_seeds" EXCLUDE
          PATTERN "openssl.h" EXCLUDE PATTERN "*_impl.h" EXCLUDE)
endforeach()
add_library(gateway_library STATIC ${objects})
set_target_properties(gateway_library PROPERTIES OUTPUT_NAME gateway LINKER_LANGUAGE CXX)
install(TARGETS gateway_library ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
# Relative, so that a tree which is moved, or installed elsewhere than it was configured for, still works.
file(RELATIVE_PATH GATEWAY_PKGCONFIG_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(${PROJECT_SOURCE_DIR}/packaging/gateway.pc.in ${PROJECT_BINARY_DIR}/gateway.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/gateway.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(GATEWAY_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/gateway)
configure_package_config_file(${PROJECT_SOURCE_DIR}/packaging/gatewayConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/gatewayConfig.cmake INSTALL_DESTINATION ${GATEWAY_CMAKE_DIR}
                              PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gatewayConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/gatewayConfig.cmake ${PROJECT_BINARY_DIR}/gatewayConfigVersion.cmake
        DESTINATION ${GATEWAY_CMAKE_DIR})

# libgateway-verify: the verifier alone, for any language.
install(TARGETS gateway_verify_shared gateway_verify_static
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/src/verify_abi/gateway_verify.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_file(${PROJECT_SOURCE_DIR}/packaging/gateway-verify.pc.in ${PROJECT_BINARY_DIR}/gateway-verify.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/gateway-verify.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Manual pages: written by hand; those of the commands are made from --help, so that the two cannot differ.
set(pages ${PROJECT_SOURCE_DIR}/man/gateway.1 ${PROJECT_SOURCE_DIR}/man/gatewayd.8
          ${PROJECT_SOURCE_DIR}/man/gateway-policy.5)
set(made)
foreach(command build inspect run ps logs stop connect verify policy ear verifier collateral bundle token config release
                doctor demo)
  set(page ${PROJECT_BINARY_DIR}/man/gateway-${command}.1)
  add_custom_command(OUTPUT ${page} DEPENDS gateway ${PROJECT_SOURCE_DIR}/man/from-help
                     COMMAND ${PROJECT_SOURCE_DIR}/man/from-help $<TARGET_FILE:gateway> ${command}
                             ${PROJECT_VERSION} ${page})
  list(APPEND made ${page})
endforeach()
add_custom_target(manual ALL DEPENDS ${made})
foreach(page IN LISTS pages made)
  string(REGEX REPLACE ".*\\.([0-9])$" "\\1" section ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()

install(FILES ${PROJECT_SOURCE_DIR}/completion/gateway.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME gateway)
install(FILES ${PROJECT_SOURCE_DIR}/completion/_gateway DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${PROJECT_SOURCE_DIR}/completion/gateway.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

install(FILES ${PROJECT_SOURCE_DIR}/packaging/gatewayd.service DESTINATION lib/systemd/system)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples ${PROJECT_SOURCE_DIR}/models DESTINATION ${CMAKE_INSTALL_DATADIR}/gateway)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/demo/demo.sh DESTINATION ${CMAKE_INSTALL_DATADIR}/gateway/demo)
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/SECURITY.md ${PROJECT_SOURCE_DIR}/CONTRIBUTING.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_SOURCE_DIR}/packaging/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME gateway)
set(CPACK_PACKAGE_VENDOR "The Gateway project")
set(CPACK_PACKAGE_CONTACT "The Gateway maintainers <maintainers@gateway.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "confidential computing that its users can check")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Builds measured enclave images, runs them, and lets clients verify an enclave's\nevidence before they send it anything. AWS Nitro Enclaves, and a local platform\nfor development.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "bubblewrap")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "uidmap, debian-archive-keyring, ca-certificates, curl, jq, procps")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libssl-dev, libboost-json-dev, passt")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/packaging/postinst;${PROJECT_SOURCE_DIR}/packaging/prerm;${PROJECT_SOURCE_DIR}/packaging/postrm")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_STRIP_FILES ON)
include(CPack)
