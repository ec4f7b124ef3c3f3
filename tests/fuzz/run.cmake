# Runs FUZZER for SECONDS on a copy of CORPUS in WORK, where it also leaves what it finds.
file(REMOVE_RECURSE "${WORK}/corpus")
file(MAKE_DIRECTORY "${WORK}/corpus")
execute_process(
  COMMAND "${FUZZER}" -max_total_time=${SECONDS} -timeout=10 -rss_limit_mb=1024 -print_final_stats=1
          "${WORK}/corpus" "${CORPUS}"
  WORKING_DIRECTORY "${WORK}" RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the fuzzer found something; the input is in ${WORK}")
endif()
