#include "refuse.h"

#include <cstdarg>
#include <cstdio>

namespace scx {
namespace {
thread_local char message[512] = "";
}

bool refuse(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return false;
}

const char* last_error() { return message; }

}  // namespace scx
