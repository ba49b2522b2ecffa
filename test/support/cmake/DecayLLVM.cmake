# MLIR and LLVM 22 from the distribution's packages.

find_package(MLIR REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "Decay needs MLIR and LLVM 22, found ${LLVM_VERSION}")
endif()
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)

# MLIR's libraries ask for LLVM's shared library; those that are linked statically
# ask for what they use of it.
if(DECAY_STATIC_LLVM)
  get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(library ${imported})
    get_target_property(links ${library} INTERFACE_LINK_LIBRARIES)
    if(library MATCHES "^MLIR" AND "LLVM" IN_LIST links)
      list(TRANSFORM links REPLACE "^LLVM$" "LLVMSupport")
      set_target_properties(${library} PROPERTIES INTERFACE_LINK_LIBRARIES "${links}")
    endif()
  endforeach()
endif()

# llvm: the LLVM libraries alone; decay_mlir: MLIR and LLVM. Their headers are
# system headers, so that our warnings are about our code.
add_library(decay_llvm INTERFACE)
target_include_directories(decay_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
if(DECAY_STATIC_LLVM)
  target_link_libraries(decay_llvm INTERFACE LLVMSupport)
else()
  target_link_libraries(decay_llvm INTERFACE LLVM)
endif()

add_library(decay_mlir INTERFACE)
target_include_directories(decay_mlir SYSTEM INTERFACE ${MLIR_INCLUDE_DIRS})
if(DECAY_STATIC_LLVM)
  # What the dialect and its passes need: no target, no LLVM dialect.
  target_link_libraries(decay_mlir INTERFACE MLIRFuncDialect MLIRTransforms decay_llvm)
else()
  target_link_libraries(decay_mlir INTERFACE MLIR decay_llvm)
endif()

file(WRITE ${CMAKE_BINARY_DIR}/mlir_headers.cpp "")
add_library(decay_mlir_headers STATIC ${CMAKE_BINARY_DIR}/mlir_headers.cpp)
target_link_libraries(decay_mlir_headers PUBLIC decay_mlir)
# Without a time in it, two builds of the header are the same, and ccache knows it.
target_compile_options(decay_mlir_headers PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
target_precompile_headers(decay_mlir_headers PRIVATE
  <mlir/IR/Builders.h> <mlir/IR/BuiltinOps.h> <mlir/IR/BuiltinTypes.h> <mlir/IR/Dialect.h>
  <mlir/IR/DialectImplementation.h> <mlir/IR/OpImplementation.h> <mlir/IR/PatternMatch.h>
  <mlir/Interfaces/SideEffectInterfaces.h> <mlir/Dialect/Func/IR/FuncOps.h> <mlir/Pass/Pass.h>
  <llvm/ADT/TypeSwitch.h> <llvm/ADT/StringMap.h> <llvm/ADT/STLExtras.h>)
