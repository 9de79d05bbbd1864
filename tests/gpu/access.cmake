# Our kernels with a call before each access to memory (access.h), in the place of those of tn_gpu. No libtsan is linked.
add_library(tn_watched INTERFACE)
target_compile_options(tn_watched INTERFACE -fsanitize=thread --param=tsan-instrument-func-entry-exit=0
                       -fno-tree-loop-distribute-patterns) # calls of memcpy and memset would not be seen
target_compile_features(tn_watched INTERFACE cxx_std_17)
target_compile_definitions(tn_watched INTERFACE _GNU_SOURCE)
target_include_directories(tn_watched INTERFACE ${CMAKE_CURRENT_SOURCE_DIR}/gpu ${CMAKE_SOURCE_DIR}/src)
target_include_directories(tn_watched SYSTEM INTERFACE ${CUDA_HEADERS})
add_library(tn_watched_kernels OBJECT ${kernels})
target_link_libraries(tn_watched_kernels PRIVATE tn_watched)
add_library(tn_watched_bugs OBJECT gpu/bugs.cu)
target_link_libraries(tn_watched_bugs PRIVATE tn_watched)

function(tn_watch name watcher) # an executable of the sources that follow: on an emulated GPU whose kernels gpu/<watcher>.cpp watches
  add_executable(${name} ${ARGN} gpu/access.cpp gpu/${watcher}.cpp)
  target_compile_features(${name} PRIVATE cxx_std_17)
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/gpu ${CMAKE_SOURCE_DIR}/src)
  target_include_directories(${name} SYSTEM PRIVATE ${CUDA_HEADERS})
endfunction()
set(on_watched_gpu $<FILTER:$<TARGET_OBJECTS:tn_gpu>,EXCLUDE,\\.cu\\.o$> $<TARGET_OBJECTS:tn_watched_kernels>)
set(libraries ${CUDNN_OF_TESTS} -Wl,--no-as-needed tn_driver -Wl,--as-needed ${CMAKE_DL_LIBS} stdc++)

tn_watch(tn_gpu_races races $<TARGET_OBJECTS:tn_watched_bugs> gpu/runtime.c gpu/kernels.cpp ${ptx})

# every operation once: orders of threads do not matter here
tn_watch(test_gpu_races races gpu/test_gpu_dev.c ${on_watched_gpu})
target_link_libraries(test_gpu_races PRIVATE ${libraries} tn_net PkgConfig::CMOCKA)
target_include_directories(test_gpu_races PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/unit)
target_compile_definitions(test_gpu_races PRIVATE TN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
add_test(NAME gpu/test_gpu_races COMMAND test_gpu_races 1 WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
set_tests_properties(gpu/test_gpu_races PROPERTIES LABELS gpu-emu TIMEOUT 300)

# a whole run: slow_races.sh
tn_watch(tn_gpu_races_tenfold races $<TARGET_OBJECTS:tenfold> ${on_watched_gpu})
target_link_libraries(tn_gpu_races_tenfold PRIVATE ${libraries} $<TARGET_PROPERTY:tenfold,LINK_LIBRARIES>)

tn_watch(tn_gpu_roofline traffic gpu/roofline.c ${on_watched_gpu})
target_link_libraries(tn_gpu_roofline PRIVATE ${libraries} tn_net)
target_link_options(tn_gpu_roofline PRIVATE -Wl,--wrap=expf)
