// Opens every file given, and runs it if it opens. Prints a line for each: "opened FILE", or "refused FILE: why". Made
// for sanitizers: whatever a file holds, this program ends with 0.
#include <cstdio>

#include "exercise.h"

namespace {

constexpr int kHeight = 64, kWidth = 96;            // small ones: a sanitizer takes its time
constexpr uint32_t kMostPixels = 256 * 256;
constexpr size_t kHeightAt = 28, kHeaderBytes = 64;  // docs/scx.md

bool read(const char* path, Bytes* content) {
  std::FILE* file = std::fopen(path, "rb");
  if (!file) return false;
  uint8_t buffer[1 << 14];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;)
    content->insert(content->end(), buffer, buffer + n);
  std::fclose(file);
  content->shrink_to_fit();
  return true;
}

// Whether the file's own size of images is one that can be run quickly.
bool quick(const Bytes& file) {
  uint32_t sides[2];
  if (file.size() < kHeaderBytes) return true;
  std::memcpy(sides, file.data() + kHeightAt, sizeof sides);
  return uint64_t(sides[0]) * sides[1] <= kMostPixels;
}

Verdict replay(const char* path) {
  Verdict verdict;
  Bytes file;
  if (!read(path, &file)) {
    verdict.failed = true;
    return verdict;
  }
  for (const std::string& isa : sets()) exercise(file, {isa.c_str(), 1, kHeight, kWidth}, &verdict);
  if (quick(file)) exercise(file, {nullptr, 3, 0, 0}, &verdict);
  const scx_options small = options({nullptr, 1, kHeight, kWidth});
  scx_model* model = scx_open_file(path, &small);  // it reads the header by itself
  if (!model && !*scx_last_error()) verdict.failed = true;
  scx_close(model);
  return verdict;
}

}  // namespace

int main(int count, char** paths) {
  int bad = 0;
  for (int i = 1; i < count; i++) {
    std::printf("replaying %s\n", paths[i]);
    std::fflush(stdout);  // should it be the last line, it names the culprit
    const Verdict verdict = replay(paths[i]);
    if (verdict.opened) std::printf("opened %s\n", paths[i]);
    else std::printf("refused %s: %s\n", paths[i], verdict.reason.c_str());
    if (!verdict.failed && (verdict.opened || !verdict.reason.empty())) continue;
    std::printf("FAILED %s: it cannot be read, gave no reason, or did not run alike twice\n", paths[i]);
    bad = 1;
  }
  return bad;
}
