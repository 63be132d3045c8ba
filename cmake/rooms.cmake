# How a folder of src/ becomes a library and its *_test.cc files become tests.
# A source file named after an instruction set (avx2.cc, avx512.cc, …) is compiled for it.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

add_library(octet_options INTERFACE)
target_include_directories(octet_options INTERFACE ${CMAKE_SOURCE_DIR}/src
                                                   ${CMAKE_SOURCE_DIR}/include)
# Contraction would fuse a*b+c behind our back and change bits between instruction sets.
target_compile_options(
  octet_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off -Wall -Wextra -Wpedantic
                          -Wshadow -Wno-unknown-pragmas>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 sees overlapping copies inside std::string that are not there (GCC bug 105651).
  target_compile_options(octet_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(OCTET_WERROR)
  target_compile_options(octet_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(OCTET_SANITIZE)
  target_compile_options(octet_options INTERFACE -fsanitize=${OCTET_SANITIZE}
                                                 -fno-omit-frame-pointer)
  target_link_options(octet_options INTERFACE -fsanitize=${OCTET_SANITIZE})
  if(OCTET_SANITIZE MATCHES "undefined")
    target_compile_options(octet_options INTERFACE -fno-sanitize-recover=undefined)
  endif()
endif()

set(OCTET_ISA_avx2 -mavx2 -mfma -mf16c)
set(OCTET_ISA_avxvnni ${OCTET_ISA_avx2} -mavxvnni)
set(OCTET_ISA_avx512 ${OCTET_ISA_avx2} -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni
                     -mprefer-vector-width=512)
set(OCTET_ISA_avx512bf16 ${OCTET_ISA_avx512} -mavx512bf16)
set(OCTET_ISA_amx ${OCTET_ISA_avx512} -mamx-tile -mamx-int8 -mamx-bf16)

# CUDA, as OCTET_CUDA wants it: the compiler, the runtime, and OCTET_HAS_CUDA in every file.
set(OCTET_WITH_CUDA OFF)
if(NOT OCTET_CUDA STREQUAL "OFF")
  if(OCTET_CUDA STREQUAL "ON")
    find_package(CUDAToolkit REQUIRED)
  else()
    find_package(CUDAToolkit QUIET)
  endif()
  if(CUDAToolkit_FOUND)
    set(OCTET_WITH_CUDA ON)
    set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
    # 7.5; 8.0, which 8.6 and 8.9 run; Hopper with its own instructions; PTX for what comes later.
    set(CMAKE_CUDA_ARCHITECTURES "75-real;80-real;90a-real;90-virtual" CACHE STRING "")
    enable_language(CUDA)
    # CMake 3.25 does not know that nvcc has C++20.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    target_link_libraries(octet_options INTERFACE CUDA::cudart_static)
    target_compile_definitions(octet_options INTERFACE OCTET_HAS_CUDA)
    # fmt does not know that nvcc has constexpr. The roundings are those of CPUs.
    target_compile_options(
      octet_options INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-DFMT_USE_CONSTEXPR=1 --fmad=false --ftz=true
                              --extended-lambda>)
  endif()
endif()

set(OCTET_ROOMS "" CACHE INTERNAL "")

# octet_room(NAME LIBRARIES …): the library octet_NAME from src/NAME/**.cc and, with CUDA, its *.cu
# and what lies in folders named cuda.
function(octet_room name)
  cmake_parse_arguments(ROOM "" "" "LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc
                                              ${CMAKE_SOURCE_DIR}/src/${name}/*.cu)
  if(NOT OCTET_WITH_CUDA)
    list(FILTER sources EXCLUDE REGEX "/cuda/|\\.cu$")
  endif()
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|bench)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(sources)
    add_library(octet_${name} STATIC ${sources})
    target_link_libraries(octet_${name} PUBLIC octet_options ${ROOM_LIBRARIES})
  else()
    add_library(octet_${name} INTERFACE)
    target_link_libraries(octet_${name} INTERFACE octet_options ${ROOM_LIBRARIES})
  endif()
  foreach(source ${sources})
    get_filename_component(stem ${source} NAME_WE)
    if(DEFINED OCTET_ISA_${stem})
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${OCTET_ISA_${stem}}")
    endif()
  endforeach()
  set(OCTET_TESTS_${name} ${tests} CACHE INTERNAL "")
  set(OCTET_ROOMS ${OCTET_ROOMS} ${name} CACHE INTERNAL "")
endfunction()

# octet_embed(NAME TEMPLATE VARIABLE=FILE …): adds to a room what TEMPLATE becomes when @VARIABLE@ is
# what FILE holds; both lie in the room.
function(octet_embed name template)
  foreach(entry ${ARGN})
    string(REGEX MATCH "^([A-Z_]+)=(.+)$" entry ${entry})
    set(file ${CMAKE_SOURCE_DIR}/src/${name}/${CMAKE_MATCH_2})
    set(variable ${CMAKE_MATCH_1})
    file(READ ${file} ${variable})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  endforeach()
  get_filename_component(made ${template} NAME_WLE)
  set(made ${CMAKE_BINARY_DIR}/made/${name}/${made})
  configure_file(${CMAKE_SOURCE_DIR}/src/${name}/${template} ${made} @ONLY)
  target_sources(octet_${name} PRIVATE ${made})
endfunction()

# octet_tests(): one gtest program per room from its *_test.cc, one from tests/*_test.cc
# (whole-program properties), and the structure checks.
function(octet_tests)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  file(GLOB support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/*.cc)
  add_library(octet_test_support STATIC ${support})
  target_include_directories(octet_test_support PUBLIC ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(octet_test_support PUBLIC octet_checkpoint octet_options GTest::gtest)
  target_compile_definitions(octet_test_support PRIVATE OCTET_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  foreach(room ${OCTET_ROOMS})
    if(OCTET_TESTS_${room})
      octet_test_program(test_${room} "${OCTET_TESTS_${room}}" octet_${room})
    endif()
  endforeach()
  file(GLOB whole CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*_test.cc)
  if(whole)
    octet_test_program(test_octet "${whole}" octet_api)
  endif()
  if(EXISTS ${CMAKE_SOURCE_DIR}/tests/CMakeLists.txt)
    add_subdirectory(${CMAKE_SOURCE_DIR}/tests ${CMAKE_BINARY_DIR}/tests)
  endif()
endfunction()

function(octet_test_program program sources library)
  add_executable(${program} ${sources})
  target_link_libraries(${program} PRIVATE octet_test_support ${library} GTest::gtest_main)
  target_compile_definitions(
    ${program} PRIVATE OCTET_SOURCE_DIR="${CMAKE_SOURCE_DIR}" OCTET_BINARY_DIR="${CMAKE_BINARY_DIR}")
  # For the thread sanitizer: the target threaded_tests and `ctest -L threads` are the programs
  # whose tests start threads.
  set(label ${program})
  if(NOT TARGET threaded_tests)
    add_custom_target(threaded_tests)
  endif()
  foreach(source ${sources})
    file(STRINGS ${source} threaded REGEX "ThreadTeam|std::thread|(^|[^A-Za-z_])Cpu([^A-Za-z_]|$)" LIMIT_COUNT 1)
    if(threaded)
      set(label ${program}.threads)
      add_dependencies(threaded_tests ${program})
    endif()
  endforeach()
  gtest_discover_tests(${program} NO_PRETTY_VALUES DISCOVERY_TIMEOUT 120
                       PROPERTIES TIMEOUT 900 LABELS ${label})
endfunction()
