"""What should happen and whether it may: pure, no clock, no I/O."""
