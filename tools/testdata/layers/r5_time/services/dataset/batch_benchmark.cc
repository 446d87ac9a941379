auto a = absl::Now();
