"""`./scripts/bench`: the interceptor beside a bare mitmdump."""

from benchmarks.command import main

if __name__ == "__main__":
    main()
