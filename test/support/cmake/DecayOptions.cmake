# Flags of every target, and how a library of ours is declared.

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_options(-Wall -Wextra -Werror -Wno-unused-parameter)
add_link_options(-fuse-ld=lld)
if(DECAY_SANITIZE)
  # Instrumented loops do not vectorise, and need not. Functions of compiled designs
  # carry no type for UBSan to compare.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=function -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer -gline-tables-only -Wno-pass-failed)
  add_link_options(-fsanitize=address,undefined)
  set(optimise "-O1")
else()
  set(optimise "-O2")
endif()
if(DECAY_FUZZ)
  # What the fuzzers steer by: which branches an input reaches, in every library.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
# Assertions stay on: they are how our own mistakes show.
set(CMAKE_CXX_FLAGS_RELEASE "${optimise}")
set(CMAKE_C_FLAGS_RELEASE "${optimise}")
include_directories(${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})

# decay_library(name SOURCES ... LINKS ...): a static library of this project.
function(decay_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_LINKS})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# decay_mlir_library(name ...): one that includes MLIR headers; they are parsed once.
function(decay_mlir_library name)
  decay_library(${name} ${ARGN})
  target_link_libraries(${name} PUBLIC decay_mlir)
  if(TARGET decay_mlir_headers)
    target_precompile_headers(${name} REUSE_FROM decay_mlir_headers)
  endif()
endfunction()
