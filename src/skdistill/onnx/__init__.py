"""Export students as ONNX graphs."""
