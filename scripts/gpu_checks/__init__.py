"""What tests on a CPU cannot show: training steps as CUDA graphs."""
