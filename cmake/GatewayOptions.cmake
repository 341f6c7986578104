# Compiler, warnings, hardening and sanitizers, the same for every target.
include(GNUInstallDirs)

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# One folder for all programs, so that each finds the others beside itself, as after an installation.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

set(GATEWAY_SANITIZE "" CACHE STRING "Sanitizers for every target: '', 'address,undefined' or 'thread'")
option(GATEWAY_FUZZERS "Build the libFuzzer targets (clang only)" OFF)
option(GATEWAY_BENCHMARKS "Build the benchmarks" ON)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(gateway_flags INTERFACE)
target_compile_options(gateway_flags INTERFACE
  -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Werror
  -fstack-protector-strong -fno-omit-frame-pointer -fcf-protection
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}=. -ffile-prefix-map=${PROJECT_BINARY_DIR}=build)
# g++ 12 at -O2 sees overflows in std::vector::insert and std::string that are not there (GCC bugs 105329 and 107852), and
# takes what a std::optional or std::variant does not hold for read (bug 80635); clang 19 builds all of it without these.
target_compile_options(gateway_flags INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-restrict
    -Wno-maybe-uninitialized>)
# clang 19 reports that the C++ library of g++ 12 uses std::get_temporary_buffer inside std::stable_sort.
target_compile_options(gateway_flags INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>)
if(NOT GATEWAY_SANITIZE AND CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(gateway_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
# Containers check their bounds; an index from outside that slips through a check stops the process, not the house.
target_compile_definitions(gateway_flags INTERFACE _GLIBCXX_ASSERTIONS)
target_link_options(gateway_flags INTERFACE -Wl,-z,relro -Wl,-z,now)
target_include_directories(gateway_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
if(GATEWAY_SANITIZE)
  target_compile_options(gateway_flags INTERFACE -fsanitize=${GATEWAY_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(gateway_flags INTERFACE -fsanitize=${GATEWAY_SANITIZE})
endif()
if(GATEWAY_FUZZERS)
  target_compile_options(gateway_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Header-heavy sources (CLI11, toml++, spdlog) are compiled without sanitizers: they take a minute each otherwise.
function(gateway_heavy_source)
  if(GATEWAY_SANITIZE)
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "-fno-sanitize=all")
  endif()
endfunction()

set(OPENSSL_USE_STATIC_LIBS OFF)
find_package(OpenSSL 3 REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
