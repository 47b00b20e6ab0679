"""The benchmarks: the interceptor beside a bare mitmdump, in interleaved rounds."""
