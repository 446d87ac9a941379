void F() { absl::SleepFor(absl::Seconds(1)); }
