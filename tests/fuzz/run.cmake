# Runs FUZZER for SECONDS on a copy of CORPUS in SCRATCH, where it also leaves what it finds.
file(REMOVE_RECURSE "${SCRATCH}/corpus")
file(MAKE_DIRECTORY "${SCRATCH}/corpus")
execute_process(
  COMMAND "${FUZZER}" -max_total_time=${SECONDS} -timeout=10 -rss_limit_mb=1024 -print_final_stats=1
          "${SCRATCH}/corpus" "${CORPUS}"
  WORKING_DIRECTORY "${SCRATCH}" RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the fuzzer found something; the input is in ${SCRATCH}")
endif()
