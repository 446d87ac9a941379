// absl::Now() in a comment and "std::rand()" in a literal are text.
const char* kText = "absl::Now()";
auto a = absl::Now();
auto b = std::chrono::steady_clock::now();
auto c = time(nullptr);
