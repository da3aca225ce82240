# Every lesson is a test: played, traced, and one of them killed. Leak checks do
# not work under a trace, so a sanitized build needs MITMLAB_TRACED to name the
# program of a build that is not.
set(traced $<TARGET_FILE:mitmlab>)
if(MITMLAB_TRACED)
    set(traced ${MITMLAB_TRACED})
elseif(MITMLAB_SANITIZE)
    message(STATUS "No traced lessons: set MITMLAB_TRACED to a mitmlab that "
        "is built without MITMLAB_SANITIZE")
    set(traced)
endif()

file(GLOB lessons RELATIVE ${CMAKE_SOURCE_DIR}/labs
    ${CMAKE_SOURCE_DIR}/labs/[0-9][0-9]-*)
foreach(lesson ${lessons})
    string(SUBSTRING ${lesson} 0 2 number)
    add_test(NAME lab${number}_play COMMAND python3
        ${CMAKE_CURRENT_SOURCE_DIR}/play.py $<TARGET_FILE:mitmlab>
        lab${number})
    set_tests_properties(lab${number}_play PROPERTIES
        SKIP_RETURN_CODE 77 TIMEOUT 600)
    if(traced)
        add_test(NAME lab${number}_contained COMMAND python3
            ${CMAKE_CURRENT_SOURCE_DIR}/contained.py ${traced} lab${number})
        set_tests_properties(lab${number}_contained PROPERTIES
            SKIP_RETURN_CODE 77 TIMEOUT 600)
    endif()
endforeach()
add_test(NAME lab_killed COMMAND python3
    ${CMAKE_CURRENT_SOURCE_DIR}/killed.py $<TARGET_FILE:mitmlab> lab13 50)
set_tests_properties(lab_killed PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 900)
