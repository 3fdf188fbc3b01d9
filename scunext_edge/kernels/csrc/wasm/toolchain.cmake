# clang 16 with wasi-libc and libc++ for WebAssembly. On Debian:
#   apt-get install clang-16 lld-16 llvm-16 wasi-libc libclang-rt-16-dev-wasm32 libc++-16-dev-wasm32
#   cmake -S .. -B build -DCMAKE_TOOLCHAIN_FILE=wasm/toolchain.cmake [-DSCX_RELAXED=ON] && cmake --build build
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(LLVM 16 CACHE STRING "Version of clang")
set(CMAKE_CXX_COMPILER clang++-${LLVM})
set(CMAKE_AR llvm-ar-${LLVM})
set(CMAKE_RANLIB llvm-ranlib-${LLVM})
set(CMAKE_CXX_COMPILER_TARGET wasm32-wasi)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(LIBRARY /usr/lib/llvm-${LLVM}/include/wasm32-wasi/c++/v1)
set(CMAKE_CXX_FLAGS_INIT "-stdlib=libc++ -isystem ${LIBRARY} -fno-exceptions -fno-rtti")
