# cmake -DSOURCE=folder -DOUTPUT=file -P Commit.cmake: writes the commit to the
# file, which is left alone when it says so already.
execute_process(COMMAND git rev-parse --short=12 HEAD WORKING_DIRECTORY ${SOURCE}
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit unknown)
else()
  execute_process(COMMAND git diff --quiet HEAD WORKING_DIRECTORY ${SOURCE} ERROR_QUIET RESULT_VARIABLE changed)
  if(changed)
    string(APPEND commit +)
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define DECAY_COMMIT \"${commit}\"\n")
