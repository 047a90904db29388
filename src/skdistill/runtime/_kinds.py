"""The kinds of students: the only list of them."""

from skdistill.runtime._cnn import CompiledCNN
from skdistill.runtime._mlp import CompiledMLP
from skdistill.runtime._network import CompiledNetwork
from skdistill.runtime._rnn import CompiledRNN

# Model files, the command line and module names use these keys.
KINDS: dict[str, type[CompiledNetwork]] = {
    "mlp": CompiledMLP,
    "cnn": CompiledCNN,
    "rnn": CompiledRNN,
}
