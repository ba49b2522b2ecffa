# decay_glue(library NAMESPACE ns FLAGS ... SOURCES a.c ... HEADERS ...): C files become bitcode when
# Decay is built, and the bitcode a library that defines ns::glueBitcode().
find_program(DECAY_CLANG NAMES clang-22 HINTS ${LLVM_TOOLS_BINARY_DIR} REQUIRED)
set(DECAY_GLUE_EMBED ${CMAKE_CURRENT_LIST_DIR}/Embed.cmake)

function(decay_glue library)
  cmake_parse_arguments(ARG "" "NAMESPACE" "FLAGS;SOURCES;HEADERS" ${ARGN})
  set(bitcode "")
  foreach(source ${ARG_SOURCES})
    get_filename_component(name ${source} NAME_WE)
    add_custom_command(
      OUTPUT ${name}.bc
      COMMAND ${DECAY_CLANG} ${ARG_FLAGS} -std=c11 -O2 -Wall -Wextra -Werror
              -ffreestanding -fPIC -fvisibility=hidden -fno-ident -fno-unwind-tables
              -fno-asynchronous-unwind-tables -I${CMAKE_SOURCE_DIR} -emit-llvm
              -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${name}.bc
      DEPENDS ${source} ${ARG_HEADERS} ${CMAKE_SOURCE_DIR}/runtime/abi/DecayPackage.h
      VERBATIM)
    list(APPEND bitcode ${CMAKE_CURRENT_BINARY_DIR}/${name}.bc)
  endforeach()
  list(JOIN bitcode "," inputs)
  add_custom_command(
    OUTPUT GlueBitcode.cpp
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=GlueBitcode.cpp -DNAMESPACE=${ARG_NAMESPACE} -DINPUTS=${inputs}
            -P ${DECAY_GLUE_EMBED}
    DEPENDS ${bitcode} ${DECAY_GLUE_EMBED}
    VERBATIM)
  decay_library(${library} SOURCES ${CMAKE_CURRENT_BINARY_DIR}/GlueBitcode.cpp LINKS decay_llvm)
endfunction()
