"""Sum programs: how one sum is evaluated, leaf by leaf and step by step; what they are built from, and their restriction."""
