"""Export a bundle's networks as an ONNX graph with the state of the encoders as input and output. Needs no PyTorch."""
