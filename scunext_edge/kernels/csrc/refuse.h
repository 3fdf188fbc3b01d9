// Why a call failed: one message for each thread, without allocation.
#pragma once

namespace scx {

// Keeps the message for last_error() and returns false.
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
bool refuse(const char* format, ...);

const char* last_error();

}  // namespace scx
