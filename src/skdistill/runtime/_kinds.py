"""The kinds of students: the only list of them."""

from skdistill.runtime._cnn import CompiledCNN
from skdistill.runtime._mlp import CompiledMLP
from skdistill.runtime._network import CompiledNetwork
from skdistill.runtime._rnn import CompiledRNN

# By the name that model files, the command line and the modules of each kind have.
KINDS: dict[str, type[CompiledNetwork]] = {
    "mlp": CompiledMLP,
    "cnn": CompiledCNN,
    "rnn": CompiledRNN,
}
