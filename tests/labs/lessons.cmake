# Every lesson is a test: played, traced, and one of them killed.
file(GLOB lessons RELATIVE ${CMAKE_SOURCE_DIR}/labs
    ${CMAKE_SOURCE_DIR}/labs/[0-9][0-9]-*)
foreach(lesson ${lessons})
    string(SUBSTRING ${lesson} 0 2 number)
    foreach(way play contained)
        add_test(NAME lab${number}_${way} COMMAND python3
            ${CMAKE_CURRENT_SOURCE_DIR}/${way}.py $<TARGET_FILE:mitmlab>
            lab${number})
        set_tests_properties(lab${number}_${way} PROPERTIES
            SKIP_RETURN_CODE 77 TIMEOUT 600)
    endforeach()
endforeach()
add_test(NAME lab_killed COMMAND python3
    ${CMAKE_CURRENT_SOURCE_DIR}/killed.py $<TARGET_FILE:mitmlab> lab13 50)
set_tests_properties(lab_killed PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 900)
