# The few functions that every CMakeLists.txt of the project is written with.

set(EDCERT_GEN ${CMAKE_BINARY_DIR}/gen)

add_library(edcert_warnings INTERFACE)
target_compile_options(edcert_warnings INTERFACE
  -Wall -Wextra -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers -Werror)
target_include_directories(edcert_warnings INTERFACE ${CMAKE_SOURCE_DIR})
target_include_directories(edcert_warnings SYSTEM INTERFACE ${EDCERT_GEN})

# Most of a compiler's time goes to the headers of libraries. Clang reads them precompiled, in one set
# for code, and in one for tests and for what protoc wrote, which are compiled with the preset's
# EDCERT_TEST_OPTIONS; ours are not among them, because they change. GCC's precompiled headers
# are so large that they gain nothing, and so the release preset sees that each file includes what it
# uses.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # What reads one header must be compiled alike, and ccache knows such a header again only if it does
  # not hold the hour. With them, Clang warns of a deprecated function inside std::stable_sort.
  add_compile_options(-pthread "SHELL:-Xclang -fno-pch-timestamp" -Wno-deprecated-declarations)
  # Since 18, Clang writes the names of some templates otherwise than GCC, which compiled the libraries.
  add_compile_options(-fclang-abi-compat=17)
  set(library_headers
    <algorithm> <functional> <map> <memory> <optional> <set> <string> <string_view> <vector>
    <absl/functional/function_ref.h> <absl/status/statusor.h> <absl/synchronization/mutex.h>
    <absl/time/time.h> <fmt/format.h> <google/protobuf/map.h> <google/protobuf/message.h>
    <grpcpp/grpcpp.h>)
  foreach(kind code test)
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${kind}_headers.cc CONTENT "")
    add_library(edcert_${kind}_headers OBJECT ${CMAKE_BINARY_DIR}/${kind}_headers.cc)
    target_link_libraries(edcert_${kind}_headers PRIVATE edcert_warnings gRPC::grpc++ fmt::fmt)
  endforeach()
  target_precompile_headers(edcert_code_headers PRIVATE ${library_headers})
  target_precompile_headers(edcert_test_headers PRIVATE ${library_headers}
    <gmock/gmock.h> <gtest/gtest.h>)
  target_link_libraries(edcert_test_headers PRIVATE GTest::gmock)
  target_compile_options(edcert_test_headers PRIVATE ${EDCERT_TEST_OPTIONS})
endif()

# edcert_precompile(<target> code|test): it reads the libraries' headers precompiled.
function(edcert_precompile name kind)
  if(TARGET edcert_${kind}_headers)
    target_precompile_headers(${name} REUSE_FROM edcert_${kind}_headers)
  endif()
endfunction()

# edcert_library(<name> SRCS ... DEPS ...): a static library of ours.
function(edcert_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SRCS})
  target_link_libraries(${name} PUBLIC edcert_warnings ${ARG_DEPS})
  edcert_precompile(${name} code)
endfunction()

# edcert_binary(<name> SRCS ... DEPS ...): a program, in build/<preset>/bin.
function(edcert_binary name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE edcert_warnings ${ARG_DEPS})
  edcert_precompile(${name} code)
endfunction()

# edcert_benchmark(<name> SRCS ... DEPS ...): a program that measures; `tools/dev bench` builds it.
function(edcert_benchmark name)
  edcert_binary(${name} ${ARGN})
  set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  add_dependencies(benchmarks ${name})
endfunction()

# edcert_test(<name> SRCS ... DEPS ... [LABEL hermetic|pg|redis]): a GoogleTest program. Its label
# follows the suffix of the name: _pgtest and _redistest use the servers of `tools/cluster.py
# test-env`. EDCERT_TEST_OPTIONS are options of a preset for the compiler.
function(edcert_test name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE edcert_warnings ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  target_compile_options(${name} PRIVATE ${EDCERT_TEST_OPTIONS})
  edcert_precompile(${name} test)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set(label hermetic)
  if(name MATCHES "_pgtest$")
    set(label pg)
  elseif(name MATCHES "_redistest$")
    set(label redis)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 300)
endfunction()

# edcert_sql(<target> <namespace> <file.sql>...): embeds named statements; the header is
# <path of the file>.h, for example services/event_registry/sql/event.sql.h.
function(edcert_sql target namespace)
  foreach(file ${ARGN})
    file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    set(out ${EDCERT_GEN}/${relative}.h)
    add_custom_command(OUTPUT ${out}
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/embed_sql.py ${namespace}
              ${CMAKE_SOURCE_DIR}/${relative} ${out}
      DEPENDS ${CMAKE_SOURCE_DIR}/${relative} ${CMAKE_SOURCE_DIR}/tools/embed_sql.py VERBATIM)
    target_sources(${target} PRIVATE ${out})
  endforeach()
endfunction()

# edcert_text(<target> <namespace> <file>...): embeds text files, each as one string constant; the
# header is <path of the file>.h, for example common/redis/lua/pop.lua.h.
function(edcert_text target namespace)
  foreach(file ${ARGN})
    file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    set(out ${EDCERT_GEN}/${relative}.h)
    add_custom_command(OUTPUT ${out}
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/embed_text.py ${namespace}
              ${CMAKE_SOURCE_DIR}/${relative} ${out}
      DEPENDS ${CMAKE_SOURCE_DIR}/${relative} ${CMAKE_SOURCE_DIR}/tools/embed_text.py VERBATIM)
    target_sources(${target} PRIVATE ${out})
  endforeach()
endfunction()

# edcert_migrations(<target> <namespace> <folder>): embeds numbered migrations; the header is
# <folder>/migrations.h.
function(edcert_migrations target namespace folder)
  file(RELATIVE_PATH relative ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${relative}/*.sql)
  set(out ${EDCERT_GEN}/${relative}/migrations.h)
  add_custom_command(OUTPUT ${out}
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/embed_sql.py --migrations ${namespace}
            ${CMAKE_SOURCE_DIR}/${relative} ${out}
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/tools/embed_sql.py VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()

# edcert_proto(<name> ROOT <import root> PROTOS <relative to root>... DEPS ... [GRPC]): one library
# for the messages (and services) of one package.
function(edcert_proto name)
  cmake_parse_arguments(ARG "GRPC" "ROOT" "PROTOS;DEPS" ${ARGN})
  set(sources)
  foreach(proto ${ARG_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(outs ${EDCERT_GEN}/${stem}.pb.cc ${EDCERT_GEN}/${stem}.pb.h)
    set(command protobuf::protoc -I ${ARG_ROOT} -I ${CMAKE_SOURCE_DIR}/protos
        --cpp_out=${EDCERT_GEN} ${ARG_ROOT}/${proto})
    if(ARG_GRPC)
      list(APPEND outs ${EDCERT_GEN}/${stem}.grpc.pb.cc ${EDCERT_GEN}/${stem}.grpc.pb.h)
      list(APPEND command --grpc_out=${EDCERT_GEN}
           --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN})
    endif()
    file(GLOB type_protos CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/protos/edcert/type/*.proto)
    add_custom_command(OUTPUT ${outs} COMMAND ${command}
      DEPENDS ${ARG_ROOT}/${proto} ${type_protos} VERBATIM)
    list(APPEND sources ${outs})
  endforeach()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} SYSTEM PUBLIC ${EDCERT_GEN})
  target_compile_options(${name} PRIVATE -O1 ${EDCERT_TEST_OPTIONS} -g0 -w)
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf ${ARG_DEPS})
  if(ARG_GRPC)
    target_link_libraries(${name} PUBLIC gRPC::grpc++)
  endif()
  edcert_precompile(${name} test)
endfunction()
